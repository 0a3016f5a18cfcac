"""Checked against all orders of a few trials, counted one by one."""

from __future__ import annotations

from itertools import permutations
from statistics import mean
from types import SimpleNamespace

import pytest

from benchsuite.results.tuning_curves import error_by_rate, expected_best, good_rates
from benchsuite.specs.models.tuning import RATE


def test_expected_best_is_the_mean_over_all_orders():
    """Catches a formula that is off by one trial, or that hides failed trials."""
    errors = [0.3, None, 0.1, 0.1, 0.25]
    counted = [1.0 if error is None else error for error in errors]
    for point in expected_best(errors):
        by_order = mean(min(order[: point.trials]) for order in permutations(counted))
        assert point.error == pytest.approx(by_order)
    assert expected_best(errors)[-1].error == pytest.approx(0.1)
    assert [point.trials for point in expected_best(errors)] == [1, 2, 3, 4, 5]


def trial(rate, error, status="completed"):
    return SimpleNamespace(settings={RATE: rate}, validation_error=error, status=status)


def test_rates_near_the_best_and_diverged_ones_are_told_apart():
    """Catches a rule that works at one rate only and looks robust."""
    trials = [trial(0.1, None, "diverged"), trial(0.001, 0.05), trial(0.01, 0.02), trial(0.003, 0.029)]
    record = SimpleNamespace(trials=trials, best=trials[2])
    assert [(p.learning_rate, p.status) for p in error_by_rate(record)][-1] == (0.1, "diverged")
    found = good_rates(record, within=0.01)
    assert (found.low, found.high, found.trials) == (0.003, 0.01, 2)
    assert good_rates(SimpleNamespace(trials=trials[:1], best=None)) is None
