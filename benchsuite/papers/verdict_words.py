"""Format the numbers of a verdict as text, each in its metric's unit."""

from __future__ import annotations

from benchsuite.papers.verdict_model import VERDICT_WORDS, CaseVerdict, ClaimVerdict, Measured, MissingRuns
from benchsuite.results.formatting import MINUS, interval, mean_sd, number, plain_mean_sd, points, quantity
from benchsuite.specs.models.claim import COST, FRACTIONS, Comparison

LIMITS = {"lower": f"below {MINUS}", "higher": "above ", "equal": "within ±", "not_higher": "at most "}
ON_A_COPY = "on a lossy copy"
"""Mark of a verdict on stand-ins for a claim's tracks."""

TESTS = {"paired": "paired t", "welch": "Welch's t", "one_sample": "one-sample t"}


def metric_words(comparison: Comparison) -> str:
    """Return the metric with its unit and the time of its measurement."""
    if comparison.metric == COST:
        return "time per step (ms)"
    is_fraction = comparison.metric in FRACTIONS
    name = comparison.metric.replace("_", " ").replace("top5", "top-5") if is_fraction else quantity(comparison.metric)
    unit = " (ratio)" if comparison.is_ratio else " (%)" if is_fraction else ""
    epoch, since = comparison.epoch, comparison.since
    if is_fraction and epoch == "last" and since is None:
        return name + unit
    when = "at the end" if epoch == "last" else _after(epoch)
    return f"{name}{unit}, {when}" + ("" if since is None else f" less {_after(since)}")


def _after(epoch: int) -> str:
    return f"after {epoch} epoch{'s' if epoch > 1 else ''}" if epoch else "before training"


def side_words(case: CaseVerdict, side: Measured) -> str:
    """Return a side's mean, spread and number of seeds."""
    estimate = side.estimate
    if estimate is None:
        return "–"
    if _is_percent(case.comparison):
        shown = mean_sd(estimate)
    elif case.comparison.metric == COST:
        shown = number(estimate.mean)
    else:
        shown = plain_mean_sd(estimate, digits=_digits(case.comparison))
    return f"{shown} (n = {estimate.n})"


def gap_words(case: CaseVerdict) -> str:
    """Return the difference with its interval and the claimed limit; empty if nothing was decided."""
    gap = case.gap
    if gap is None or gap.low is None or gap.high is None:
        return ""
    comparison = case.comparison
    if _is_percent(comparison):
        shown = f"{points(gap.mean)} points, {interval(gap, signed=True)}"
    elif comparison.metric == COST:
        shown = f"× {number(gap.mean)}, {number(gap.low)} to {number(gap.high)}"
    else:
        mean, low, high = (_signed(end, _digits(comparison)) for end in (gap.mean, gap.low, gap.high))
        shown = f"{mean}, {low} to {high}"
    return f"{shown} ({TESTS[comparison.test]}; claimed: {limit_words(comparison)})"


def limit_words(comparison: Comparison) -> str:
    """Return the range in which the interval of the difference must lie."""
    margin = comparison.margin
    if comparison.metric == COST:
        factor = f"{1 + margin:.3g}"
        return {
            "lower": f"below × 1/{factor}",
            "higher": f"above × {factor}",
            "equal": f"within × {factor} either way",
            "not_higher": f"at most × {factor}",
        }[comparison.direction]
    if not margin:
        return {"lower": "below 0", "higher": "above 0", "equal": "exactly 0", "not_higher": "at most 0"}[
            comparison.direction
        ]
    return LIMITS[comparison.direction] + (f"{100 * margin:g}" if _is_percent(comparison) else f"{margin:g}")


def _is_percent(comparison: Comparison) -> bool:
    return comparison.metric in FRACTIONS and not comparison.is_ratio


def undecided_reasons(verdict: ClaimVerdict) -> list[str]:
    """Return the reasons why a claim has no verdict, each once, with its tiers unless it applies to all."""
    tiers: dict[str, dict[str, None]] = {}
    for case in verdict.cases:
        if case.comparison.setting:
            line = f"{case.comparison.setting}: {case.reason}"
        elif case.verdict == "not_enough_records":
            line = case.reason
        else:
            line = f"{case.question}: {VERDICT_WORDS[case.verdict]}"
        tiers.setdefault(line, {})[case.tier] = None
    whole = list(verdict.claim.tiers)
    return [line if list(found) == whole else f"{line} (tier {', '.join(found)})" for line, found in tiers.items()]


def missing_words(missing: MissingRuns) -> str:
    """Return the runs that an undecided claim lacks: tier, rules, tracks and seeds."""
    seeds: dict[tuple[str, str], list[int]] = {}
    for run in missing.runs:
        seeds.setdefault((run.track, run.rule), []).append(run.seed)
    rules: dict[tuple[str, str], list[str]] = {}
    for (track, rule), found in seeds.items():
        rules.setdefault((track, _seed_words(sorted(set(found)))), []).append(rule)
    each = [f"{', '.join(names)} on {track}, {shown}" for (track, shown), names in rules.items()]
    return f"at the {missing.tier} tier, {'; '.join(each)}"


def _seed_words(seeds: list[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def copy_words(verdict: ClaimVerdict) -> str:
    """Return the tracks that a verdict on a lossy copy is about."""
    return ", ".join(dict.fromkeys(verdict.stand_ins.values()))


def _digits(comparison: Comparison) -> int:
    return 2 if comparison.is_ratio or comparison.metric.endswith("_deg") else 4


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return (text.lstrip("+-") if float(text) == 0 else text).replace("-", MINUS)
