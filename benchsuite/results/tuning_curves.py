"""Curves of a tuning: error against learning rate, and the best error to expect from fewer trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.models.tuning import RATE

UNKNOWN_ERROR = 1.0
"""Error of a trial that did not complete: no settings are worse."""


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
    """The learning rates between the lowest and the highest trial whose error is near the best."""

    low: float
    high: float
    trials: int
    """Number of trials that are near the best."""


def error_by_rate(record: TuningRecord) -> list[RatePoint]:
    """Return all trials in the order of their learning rates; those that diverged are marked by their status."""
    points = (RatePoint(float(t.settings[RATE]), t.validation_error, t.status) for t in record.trials)
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


def good_rates(record: TuningRecord, within: float = 0.01) -> RateRange | None:
    """Return the learning rates whose validation error is within a distance of the best; None if none completed.

    A rule that wins only within a narrow range owes its place to the search.

    Args:
        record: a tuning.
        within: distance in fractions of the examples; 0.01 is a point.

    """
    if record.best is None or record.best.validation_error is None:
        return None
    limit = record.best.validation_error + within
    near = [p.learning_rate for p in error_by_rate(record) if p.error is not None and p.error <= limit]
    return RateRange(min(near), max(near), len(near))
