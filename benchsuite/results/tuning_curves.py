"""Curves of a tuning: error against learning rate, and the best error to expect from fewer trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, log10

from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.models.tuning import RATE

UNKNOWN_ERROR = 1.0
"""Error of a trial that did not complete: no settings are worse."""

WITHIN = 0.01
"""Distance from the best error at which a trial counts as near it: one point."""


@dataclass(frozen=True)
class RatePoint:
    """One trial: its learning rate, and its validation error, or None if it did not complete."""

    learning_rate: float
    error: float | None
    status: str


@dataclass(frozen=True)
class BudgetPoint:
    """Expected best validation error after a number of trials."""

    trials: int
    error: float


@dataclass(frozen=True)
class RateRange:
    """The learning rates at which a rule stays near its best error, as far as the trials tell."""

    low: float
    """The lowest rate tried that is near the best."""
    high: float
    trials: int
    """Number of trials that are near the best."""
    decades: float
    """Distance of ``low`` from ``high`` in powers of ten: the range is at least as wide."""
    decades_at_most: float
    """Distance of the nearest rates tried that are not near the best, or of the ends of what was searched."""
    is_open: bool
    """True if the range reaches the lowest or the highest rate tried: it may go on beyond what was searched."""


def error_by_rate(record: TuningRecord) -> list[RatePoint]:
    """Return all trials in the order of their learning rates; those that diverged are marked by their status."""
    points = (RatePoint(float(t.settings[RATE]), t.validation_error, t.status) for t in record.sampled)
    return sorted(points, key=lambda point: point.learning_rate)


def expected_best(errors: Sequence[float | None]) -> list[BudgetPoint]:
    """Return the expected best error of 1 to N trials, exactly, over all orders in which N trials could be made.

    Dodge et al. 2019 (arXiv:1909.03004, eq. 5) draw trials with replacement, which underestimates the spread near the
    full budget. Here they are drawn without: the lowest of n of N errors is the k-th lowest with probability
    C(N - k, n - 1) / C(N, n), so that the last point is the best error itself.

    Args:
        errors: validation errors of all trials; None, of a trial that did not complete, counts as an error of 1.

    """
    ordered = sorted(UNKNOWN_ERROR if error is None else error for error in errors)
    count = len(ordered)
    return [
        BudgetPoint(n, sum(error * comb(count - k, n - 1) for k, error in enumerate(ordered, 1)) / comb(count, n))
        for n in range(1, count + 1)
    ]


def good_rates(record: TuningRecord, within: float = WITHIN) -> RateRange | None:
    """Return the learning rates around the best trial whose error stays near the best; None if no trial completed.

    A rule that wins only within a narrow range owes its place to the search. If the rate alone is searched, the range
    ends at the first trial on either side that is worse. If other settings are searched too, they differ between
    neighbours, so the range spans all trials that are near the best.

    Args:
        record: a tuning.
        within: distance in fractions of the examples; 0.01 is a point.

    """
    best = record.best_sampled
    if best is None or best.validation_error is None:
        return None
    points = error_by_rate(record)
    is_near = [p.error is not None and p.error <= best.validation_error + within for p in points]
    if len(record.spec.space) == 1:
        place = next(i for i, p in enumerate(points) if p.learning_rate == best.settings[RATE] and is_near[i])
        first = max((i + 1 for i in range(place) if not is_near[i]), default=0)
        last = min((i - 1 for i in range(place + 1, len(points)) if not is_near[i]), default=len(points) - 1)
    else:
        near = [i for i, found in enumerate(is_near) if found]
        first, last = near[0], near[-1]
    low, high = points[first].learning_rate, points[last].learning_rate
    searched = record.spec.space[0]
    below = points[first - 1].learning_rate if first else searched.low
    above = points[last + 1].learning_rate if last + 1 < len(points) else searched.high
    return RateRange(
        low=low,
        high=high,
        trials=sum(is_near[first : last + 1]),
        decades=log10(high / low),
        decades_at_most=log10(above / below),
        is_open=first == 0 or last == len(points) - 1,
    )
