"""Oracle: SciPy's distributions. Catches p-values that are wrong where a board has few seeds, or many tracks."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from benchsuite.results.tail_probabilities import two_sided_t, upper_f

MEASURABLE = 1e-290
"""Below this, SciPy's own values lose their digits."""


@given(st.floats(-1e5, 1e5, allow_subnormal=False), st.integers(1, 1000))
def test_students_t(statistic: float, freedom: int) -> None:
    expected = 2 * special.stdtr(freedom, -abs(statistic))
    assert two_sided_t(statistic, freedom) == pytest.approx(expected, rel=1e-9, abs=MEASURABLE)


@given(st.floats(0, 1e4, allow_subnormal=False), st.integers(1, 60), st.integers(1, 1000))
def test_f(statistic: float, between: int, within: int) -> None:
    expected = special.fdtrc(between, within, statistic)
    assert upper_f(statistic, between, within) == pytest.approx(expected, rel=1e-9, abs=MEASURABLE)


def test_the_ends() -> None:
    assert two_sided_t(0.0, 4) == 1.0
    assert two_sided_t(1e200, 4) == 0.0
    assert upper_f(0.0, 2, 6) == 1.0
    assert upper_f(math.inf, 2, 6) == 0.0
