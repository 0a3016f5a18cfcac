"""Oracles: SciPy's own t-interval and paired t-test, and arithmetic that fits on paper."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchsuite.results.statistics import estimate, median, paired_difference, welch_p_value

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


@given(st.lists(errors, min_size=2, max_size=30))
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


@given(st.lists(st.tuples(errors, errors), min_size=2, max_size=12))
def test_paired_interval_excludes_zero_exactly_when_the_paired_t_test_rejects(pairs):
    here, there = ({i: p[side] for i, p in enumerate(pairs)} for side in (0, 1))
    found = paired_difference(here, there)
    assert found is not None
    if found.sd is None or found.sd < 1e-6:
        return
    p_value = stats.ttest_rel(list(here.values()), list(there.values())).pvalue
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


@given(errors, st.integers(2, 9))
def test_equal_seeds_have_a_spread_of_exactly_zero(value, n):
    found = estimate([value] * n)
    assert found is not None
    assert (found.mean, found.sd, found.low, found.high) == (value, 0, value, value)


@given(st.lists(errors, min_size=2, max_size=12), st.lists(errors, min_size=2, max_size=12))
def test_p_value_is_that_of_scipys_welch_test(here, there):
    found = welch_p_value(here, there)
    spreads = [stats.tstd(values) for values in (here, there)]
    if max(spreads) < 1e-6:
        return
    assert found == pytest.approx(stats.ttest_ind(here, there, equal_var=False).pvalue, rel=1e-5, abs=1e-12)


def test_welch_and_student_part_where_spreads_differ():
    """An interval or a test that pools the variances would take the tight sample's seeds for the loose one's."""
    loose, tight = [0.10, 0.20, 0.30], [0.30, 0.301, 0.302, 0.303, 0.304, 0.305, 0.306, 0.307, 0.308]
    welch, student = (stats.ttest_ind(loose, tight, equal_var=e).pvalue for e in (False, True))
    assert welch > 0.1 > 0.01 > student
    assert welch_p_value(loose, tight) == pytest.approx(welch)


def test_no_spread_and_one_seed_have_no_p_value():
    assert welch_p_value([0.1, 0.1], [0.2, 0.2]) is None
    assert welch_p_value([0.1], [0.2, 0.3]) is None
