"""Oracles: SciPy's own t-interval and paired t-test, and arithmetic that fits on paper."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchsuite.results import statistics
from benchsuite.results.statistics import estimate, holm, median, paired_difference, paired_p_value, welch_difference

errors = st.floats(min_value=0, max_value=1, allow_subnormal=False)


def test_estimate_of_three_seeds_agrees_with_arithmetic_by_hand():
    found = estimate([0.1, 0.2, 0.3])
    assert found is not None
    assert found.mean == pytest.approx(0.2)
    assert found.sd == pytest.approx(0.1)
    # t(0.975, 2) = 4.302652730 from any table; 0.1 / sqrt(3) is the standard error.
    assert found.high == pytest.approx(0.2 + 4.302652730 * 0.1 / math.sqrt(3))
    assert found.low == pytest.approx(0.2 - 4.302652730 * 0.1 / math.sqrt(3))
    assert found.n == 3


@given(st.lists(errors, min_size=3, max_size=30))
def test_interval_agrees_with_scipy(values):
    found = estimate(values)
    assert found is not None
    assert found.sd is not None
    if found.sd < 1e-9:
        assert found.low == pytest.approx(found.mean, abs=1e-7)
        return
    low, high = stats.t.interval(0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values))
    assert found.low == pytest.approx(low, rel=1e-6, abs=1e-9)
    assert found.high == pytest.approx(high, rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(errors, errors), min_size=3, max_size=12))
def test_paired_interval_excludes_zero_exactly_when_the_paired_t_test_rejects(pairs):
    here, there = ({i: p[side] for i, p in enumerate(pairs)} for side in (0, 1))
    found = paired_difference(here, there)
    assert found is not None
    if found.sd is None or found.sd < 1e-6:
        return
    p_value = stats.ttest_rel(list(here.values()), list(there.values())).pvalue
    assert paired_p_value(found) == pytest.approx(p_value, rel=1e-5, abs=1e-12)
    if abs(p_value - 0.05) > 1e-6:
        assert (found.low > 0 or found.high < 0) == (p_value < 0.05)


def test_unpaired_seeds_fall_out_of_the_gap_and_n_says_so():
    found = paired_difference({0: 0.3, 1: 0.4, 7: 0.9}, {0: 0.1, 1: 0.2, 2: 0.0})
    assert found is not None
    assert found.n == 2
    assert found.mean == pytest.approx(0.2)


def test_pairs_are_matched_by_seed_and_not_by_position():
    found = paired_difference({1: 0.5, 0: 0.1}, {0: 0.1, 1: 0.5})
    assert found is not None
    assert (found.mean, found.sd) == (0, 0)


def test_one_seed_has_no_spread_and_no_interval():
    found = estimate([0.25])
    assert found is not None
    assert (found.mean, found.n, found.sd, found.low, found.high) == (0.25, 1, None, None, None)


def test_nothing_measured_gives_nothing():
    assert estimate([]) is None
    assert median([]) is None
    assert paired_difference({0: 0.1}, {1: 0.1}) is None


@given(errors, st.integers(3, 9))
def test_equal_seeds_have_a_spread_of_exactly_zero(value, n):
    found = estimate([value] * n)
    assert found is not None
    assert (found.mean, found.sd, found.low, found.high) == (value, 0, value, value)


def test_two_seeds_have_no_interval_and_no_p_value():
    """Catches an interval of width zero from two seeds that happen to agree, and a tie or a rank from it."""
    for found in (estimate([0.1, 0.1]), paired_difference({0: 0.1, 1: 0.2}, {0: 0.2, 1: 0.3})):
        assert found is not None
        assert (found.n, found.low, found.high) == (2, None, None)
        assert paired_p_value(found) is None
    assert welch_difference([0.1, 0.1], [0.2, 0.3, 0.4]) is None


def test_pairs_that_all_differ_equally_have_no_p_value():
    assert paired_p_value(paired_difference({0: 0.5, 1: 0.5, 2: 0.5}, {0: 0.25, 1: 0.25, 2: 0.25})) is None


def test_holm_is_the_example_worked_out_by_hand():
    """Catches Bonferroni's factor for all, a step that goes down again, and values returned in sorted order."""
    # Sorted 0.01, 0.02, 0.03, 0.5: times 4, 3, 2, 1 gives 0.04, 0.06, 0.06, 0.5.
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_what_his_sequential_test_rejects(p_values):
    """Oracle: Holm's procedure as he states it; reject in order while p <= 0.05 / (number that is left)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    rejected = set()
    for left, index in zip(range(len(order), 0, -1), order, strict=True):
        if p_values[index] * left > 0.05:
            break
        rejected.add(index)
    assert {i for i, p in enumerate(holm(p_values)) if p <= 0.05} == rejected


def test_the_table_of_quantiles_is_scipys() -> None:
    """Catches a digit lost in copying, which would shift every interval of a few seeds."""
    from scipy.special import stdtrit

    assert len(statistics.T_QUANTILES) == 100
    assert list(statistics.T_QUANTILES) == pytest.approx([float(stdtrit(n, 0.975)) for n in range(1, 101)], rel=1e-14)
    assert statistics.t_quantile(2.5) == pytest.approx(float(stdtrit(2.5, 0.975)))
