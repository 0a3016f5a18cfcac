"""Format the numbers of a verdict as text, each in its metric's unit."""

from __future__ import annotations

from benchsuite.papers.verdict_model import CaseVerdict, Measured
from benchsuite.results.formatting import MINUS, interval, mean_sd, number, plain_mean_sd, points, quantity
from benchsuite.specs.models.claim import COST, ERRORS, Comparison

LIMITS = {"lower": f"below {MINUS}", "higher": "above ", "equal": "within ±", "not_higher": "at most "}
TESTS = {"paired": "paired t", "welch": "Welch's t", "one_sample": "one-sample t"}


def metric_words(comparison: Comparison) -> str:
    """Return the metric with its unit and the time of its measurement."""
    match comparison.metric:
        case "test_error":
            return "test error (%)"
        case "train_error":
            return "train error (%)"
        case metric if metric == COST:
            return "time per step (ms)"
    epoch = comparison.epoch
    when = "at the end" if epoch == "last" else f"after {epoch} epochs" if epoch else "before training"
    if comparison.since is not None:
        when += f" less {f'after {comparison.since} epochs' if comparison.since else 'before training'}"
    return f"{quantity(comparison.metric)}, {when}"


def side_words(case: CaseVerdict, side: Measured) -> str:
    """Return a side's mean, spread and number of seeds."""
    estimate = side.estimate
    if estimate is None:
        return "–"
    if case.comparison.metric in ERRORS:
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
    if comparison.metric in ERRORS:
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
    return LIMITS[comparison.direction] + (f"{100 * margin:g}" if comparison.metric in ERRORS else f"{margin:g}")


def _digits(comparison: Comparison) -> int:
    return 2 if comparison.metric.endswith("_deg") else 4


def _signed(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return (text.lstrip("+-") if float(text) == 0 else text).replace("-", MINUS)
