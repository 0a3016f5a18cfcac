"""Judge claims from records alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from benchsuite.papers.claim_cases import ArmPair, Case, ClaimCases
from benchsuite.papers.evidence import Pool, RecordIndex, pools
from benchsuite.papers.floors import missed_floor
from benchsuite.papers.missing import cheapest, needed_runs
from benchsuite.papers.verdict_model import CaseVerdict, ClaimVerdict, Measured, NeededRun, Verdict
from benchsuite.records.model import RunRecord
from benchsuite.results.model import Estimate
from benchsuite.results.statistics import estimate, paired_difference, t_quantile, welch_difference
from benchsuite.specs.models.claim import COST, ClaimSpec, Comparison

MOST_SEEDS = 30
"""Largest number of seeds that is proposed for an inconclusive claim."""

SIGNS = {"lower": "below", "higher": "above", "equal": "equal to", "not_higher": "not above"}


def judge(claims: Iterable[ClaimCases], records: Iterable[RunRecord]) -> list[ClaimVerdict]:
    """Return every claim's verdict with its numbers and runs; the order of the records does not matter.

    A claim is judged at the first of its tiers with enough records. There it is reproduced if every comparison is,
    contradicted if one is, and else inconclusive. A comparison is reproduced if the whole 95 % interval of the
    difference lies in the claimed range, contradicted if all of it lies outside, and inconclusive if it overlaps the
    limit. With fewer seeds per side than the claim's minimum (3 or more), a failed seed, or a reference whose error
    misses the claim's floor, there are not enough records.

    Where tracks have stand-ins on a lossy copy of their data, the verdict on those is beside it (``on_copy``).
    """
    index = RecordIndex(records)
    return [_judge_claim(expanded, index) for expanded in claims]


def _judge_claim(expanded: ClaimCases, index: RecordIndex) -> ClaimVerdict:
    verdict = _judge_cases(expanded.claim, expanded.cases, index)
    if not expanded.on_copy:
        return verdict
    on_copy = _judge_cases(expanded.claim, expanded.on_copy, index)
    return replace(verdict, on_copy=replace(on_copy, stand_ins=expanded.stand_ins))


def _judge_cases(claim: ClaimSpec, expanded: Iterable[Case], index: RecordIndex) -> ClaimVerdict:
    cases = tuple(_judge_case(case, claim.minimum_seeds, index) for case in expanded)
    for tier in claim.tiers:
        verdict = conjunction([case.verdict for case in cases if case.tier == tier])
        if verdict != "not_enough_records":
            missing = cheapest(cases, (tier,)) if verdict == "inconclusive" else None
            return ClaimVerdict(claim, verdict, tier, cases, missing)
    return ClaimVerdict(claim, "not_enough_records", None, cases, cheapest(cases, claim.tiers))


def conjunction(verdicts: Iterable[Verdict]) -> Verdict:
    """Combine verdicts: one contradiction contradicts the whole; otherwise the least certain verdict is the whole's."""
    found = set(verdicts) or {"not_enough_records"}
    order: tuple[Verdict, ...] = ("contradicted", "not_enough_records", "inconclusive", "reproduced")
    return next(verdict for verdict in order if verdict in found)


def _judge_case(case: Case, minimum: int, index: RecordIndex) -> CaseVerdict:
    comparison = case.comparison
    undecided = CaseVerdict(comparison, case.tier, question(case), "not_enough_records", "")
    if case.left is None:
        return replace(undecided, reason="no track has this setting yet")
    found = [_try_pool(pool, case, minimum) for pool in pools(index, case.compared, comparison.metric)]
    best = max(found, key=_preference) if found else None
    undecided = replace(undecided, needed=needed_runs(case, best.pool if best else None, index, minimum))
    if missing := sorted({arm.missing for arm in case.compared if arm.missing}):
        return replace(undecided, reason="; ".join(missing))
    if best is None:
        tracks = ", ".join(sorted({arm.track for arm in case.compared}))
        return replace(undecided, reason=f"no runs of these rules under the conditions of {tracks}")
    if best.is_enough and (missed := missed_floor(case, best.pool, index, minimum)):
        shown = _shown(best, undecided, several=False)
        return replace(shown, reason=missed.reason, needed=() if missed.trained_too_little else shown.needed)
    return _decide(best, undecided, minimum, several=len({a.pool.hardware for a in found} - {None}) > 1)


@dataclass(frozen=True)
class Attempt:
    """A case judged with one choice of records."""

    pool: Pool
    sides: tuple[tuple[ArmPair, Mapping[int, float]], ...]
    pairs: int
    """Number of seeds of the smaller side, or of shared seeds if the test is paired."""
    failures: tuple[str, ...]
    is_enough: bool


def _preference(attempt: Attempt) -> tuple[bool, bool, bool, int]:
    """Return the sort key: published data first, then one hardware class, then most seeds; the first of equals wins."""
    runs = [record for records in attempt.pool.runs.values() for record in records.values()]
    is_canonical = all(record.data is None or record.data.canonical is not False for record in runs)
    enough = attempt.is_enough
    return enough, enough and is_canonical, enough and attempt.pool.hardware is not None, attempt.pairs


def _try_pool(pool: Pool, case: Case, minimum: int) -> Attempt:
    pairs = [pair for pair in (case.left, case.right) if pair]
    sides = tuple((pair, pool.values(pair, case.comparison)) for pair in pairs)
    seeds = [set(values) for _, values in sides]
    is_paired = case.comparison.test == "paired"
    count = len(set.intersection(*seeds)) if is_paired else min(len(s) for s in seeds)
    failures = tuple(text for pair in pairs for text in pool.failures(pair, case.comparison))
    return Attempt(pool, sides, count, failures, count >= minimum and not failures)


def _decide(attempt: Attempt, undecided: CaseVerdict, minimum: int, several: bool) -> CaseVerdict:
    comparison = undecided.comparison
    base = _shown(attempt, undecided, several)
    if attempt.failures:
        return replace(base, reason="; ".join(dict.fromkeys(attempt.failures)))
    if not attempt.is_enough:
        counted = "seeds that both sides have" if comparison.test == "paired" else "seeds on the smaller side"
        return replace(base, reason=f"{attempt.pairs} {counted}; {minimum} are needed")
    if (
        comparison.metric == COST
        and len({p.main.spec.protocol.batch_size for p, _ in attempt.sides if p.main.spec}) > 1
    ):
        return replace(base, reason="the sides have batches of different sizes")
    values = [v for _, v in attempt.sides]
    gap = difference(comparison, values[0], values[1] if len(values) > 1 else None)
    if gap is None or gap.low is None or gap.high is None:
        return replace(base, reason="no interval from so few seeds")
    verdict, reason = decide(comparison, gap.low, gap.high)
    base = replace(base, verdict=verdict, reason=reason, gap=_as_ratio(gap) if comparison.metric == COST else gap)
    return replace(base, needed=()) if verdict != "inconclusive" else _with_more_seeds(base, attempt, gap)


def _shown(attempt: Attempt, undecided: CaseVerdict, several: bool) -> CaseVerdict:
    """Return a case with the numbers of its sides."""
    shown = [_measured(pair, values, attempt.pool, undecided.comparison) for pair, values in attempt.sides]
    return replace(undecided, left=shown[0], right=shown[1] if len(shown) > 1 else None, notes=_notes(attempt, several))


def _with_more_seeds(case: CaseVerdict, attempt: Attempt, gap: Estimate) -> CaseVerdict:
    """Add to an inconclusive case the runs that would decide it if mean and spread stayed as they are."""
    count = seeds_to_decide(case.comparison, gap)
    if count is None:
        return replace(case, needed=(), reason=f"{case.reason}; {MOST_SEEDS} seeds would not decide it")
    needed = [
        NeededRun(arm.track, arm.rule, seed, arm.settings)
        for arm, runs in attempt.pool.runs.items()
        for seed in sorted(set(range(count)) - runs.keys())
    ]
    reason = f"{case.reason}; about {count} seeds would decide it if mean and spread stay"
    return replace(case, needed=tuple(needed), reason=reason)


def seeds_to_decide(comparison: Comparison, gap: Estimate) -> int | None:
    """Estimate the number of seeds at which an inconclusive difference is decided; None if above ``MOST_SEEDS``.

    The interval's half is ``t(0.975, n - 1) * sd / sqrt(n)``: with the mean and the spread of today's seeds, it is
    known for every ``n``.
    """
    if gap.low is None or gap.high is None:
        return None
    spread = (gap.high - gap.mean) * math.sqrt(gap.n) / t_quantile(gap.n - 1)
    for n in range(gap.n + 1, MOST_SEEDS + 1):
        half = spread * t_quantile(n - 1) / math.sqrt(n)
        if decide(comparison, gap.mean - half, gap.mean + half)[0] != "inconclusive":
            return n
    return None


def difference(comparison: Comparison, left: Mapping[int, float], right: Mapping[int, float] | None) -> Estimate | None:
    """Return left minus right (or minus the fixed value) with the 95 % interval of the comparison's test."""
    if right is None:
        return estimate([value - (comparison.value or 0.0) for value in left.values()])
    if comparison.test == "paired":
        return paired_difference(left, right)
    return welch_difference(list(left.values()), list(right.values()))


def decide(comparison: Comparison, low: float, high: float) -> tuple[Verdict, str]:
    """Return the verdict on a difference with interval [low, high], and the reason if it is not as claimed.

    ``reproduced``: the interval lies in the claimed range. ``contradicted``: no part of it does. ``inconclusive``: a
    part of it does. The range of ``lower`` and ``higher`` lies strictly beyond the margin; that of ``equal`` and
    ``not_higher`` includes the margin.
    """
    margin = math.log1p(comparison.margin) if comparison.metric == COST else comparison.margin
    match comparison.direction:
        case "lower":
            holds, contradicted = high < -margin, low >= -margin
        case "higher":
            holds, contradicted = low > margin, high <= margin
        case "equal":
            holds, contradicted = -margin <= low and high <= margin, low > margin or high < -margin
        case "not_higher":
            holds, contradicted = high <= margin, low > margin
    if holds:
        return "reproduced", ""
    if contradicted:
        return "contradicted", "the whole interval is on the wrong side of the limit"
    return "inconclusive", "the interval is on both sides of the limit"


def question(case: Case) -> str:
    """Return a case's comparison in words, such as ``gevb below backprop``."""
    comparison = case.comparison
    left = _side_words(case, case.left, "left")
    right = f"{comparison.value:g}" if comparison.value is not None else _side_words(case, case.right, "right")
    return f"{left} {SIGNS[comparison.direction]} {right}"


def _side_words(case: Case, pair: ArmPair | None, side_name: str) -> str:
    side = case.comparison.left if side_name == "left" else case.comparison.right
    if side is None:
        return ""
    config = f" ({', '.join(f'{k} {v}' for k, v in sorted(side.config.items()))})" if side.config else ""
    words = f"{side.rule}{config}" + _reference_words(side.minus, side.over)
    segment = _segment_words(pair) if pair else side.segment
    return f"{words}, {segment}" if segment else words


def _reference_words(minus: str | None, over: str | None) -> str:
    return f" minus {minus}" if minus else f" over {over}" if over else ""


def _segment_words(pair: ArmPair) -> str | None:
    return f"most of {len(pair.most_of)} layers" if pair.most_of else pair.segment


def _measured(pair: ArmPair, values: Mapping[int, float], pool: Pool, comparison: Comparison) -> Measured:
    words = pair.main.rule + _reference_words(*(arm.rule if arm else None for arm in (pair.minus, pair.over)))
    segment = _segment_words(pair)
    label = f"{words}, {segment}" if segment else words
    shown = [math.exp(value) if comparison.metric == COST else value for value in values.values()]
    return Measured(label, pair.main.track, estimate(shown), pool.run_ids(pair))


def _notes(attempt: Attempt, several: bool) -> tuple[str, ...]:
    hardware = attempt.pool.hardware
    records = [r for runs in attempt.pool.runs.values() for r in runs.values()]
    notes = []
    if hardware is None and len({(r.hardware.hardware_class, r.hardware.precision) for r in records}) > 1:
        notes.append("pooled over hardware classes")
    elif hardware is not None and several:
        notes.append(f"runs on {hardware[0]}, {hardware[1]} alone; there are others")
    if any(r.data and r.data.canonical is False for r in records):
        notes.append("the data files do not have the published checksums")
    return tuple(notes)


def _as_ratio(gap: Estimate) -> Estimate:
    low, high = (None if end is None else math.exp(end) for end in (gap.low, gap.high))
    return Estimate(mean=math.exp(gap.mean), n=gap.n, low=low, high=high)
