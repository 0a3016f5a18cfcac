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


def tuning(errors_by_rate, best_rate, searched=1):
    trials = [trial(rate, error, "diverged" if error is None else "completed") for rate, error in errors_by_rate]
    best = next((t for t in trials if t.settings[RATE] == best_rate), None)
    space = [SimpleNamespace(low=1e-5, high=0.1)] * searched
    return SimpleNamespace(sampled=trials, best_sampled=best, spec=SimpleNamespace(space=space))


def test_rates_near_the_best_and_diverged_ones_are_told_apart():
    """Catches a rule that works at one rate only and looks robust."""
    record = tuning([(0.1, None), (0.001, 0.05), (0.01, 0.02), (0.003, 0.029)], 0.01)
    assert [(p.learning_rate, p.status) for p in error_by_rate(record)][-1] == (0.1, "diverged")
    found = good_rates(record, within=0.01)
    assert (found.low, found.high, found.trials, found.is_open) == (0.003, 0.01, 2, False)
    assert found.decades == pytest.approx(0.5229, abs=1e-4)
    assert found.decades_at_most == pytest.approx(2)
    assert good_rates(tuning([(0.1, None)], None)) is None


def test_a_second_valley_does_not_widen_the_range():
    """Catches a width that counts rates between which the rule fails; several settings may explain a failure."""
    errors = [(1e-5, 0.02), (1e-4, 0.5), (1e-3, 0.02), (1e-2, 0.025), (1e-1, 0.4)]
    found = good_rates(tuning(errors, 1e-3))
    assert (found.low, found.high, found.is_open) == (1e-3, 1e-2, False)
    found = good_rates(tuning(errors, 1e-3, searched=2))
    assert (found.low, found.high, found.is_open) == (1e-5, 1e-2, True)
