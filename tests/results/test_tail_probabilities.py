"""Oracle: SciPy's distributions. Catches p-values that are wrong where a board has few seeds, or many tracks."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import special

from benchsuite.results.tail_probabilities import two_sided_t, upper_f

MEASURABLE = 1e-290
"""Below this, SciPy's own values lose their digits."""


@given(st.floats(-1e5, 1e5, allow_subnormal=False), st.integers(1, 1000))
@example(6.63443248259927e-9, 1)
def test_students_t(statistic: float, freedom: int) -> None:
    # Near zero, SciPy's values of t have eight digits; t squared has the F distribution, whose lower tail has all.
    near = abs(statistic) < 1
    expected = 1 - special.fdtr(1, freedom, statistic**2) if near else 2 * special.stdtr(freedom, -abs(statistic))
    assert two_sided_t(statistic, freedom) == pytest.approx(expected, rel=1e-9, abs=MEASURABLE)


@given(st.floats(0, 1e4, allow_subnormal=False), st.integers(1, 60), st.integers(1, 1000))
@example(9.446792895707814e-18, 1, 1)
def test_f(statistic: float, between: int, within: int) -> None:
    # Not fdtrc, which loses its digits near zero and below 1e-280: it takes one minus this share.
    share = between * statistic / (within + between * statistic)
    expected = special.betaincc(between / 2, within / 2, share)
    assert upper_f(statistic, between, within) == pytest.approx(expected, rel=1e-9, abs=MEASURABLE)


@pytest.mark.parametrize(
    ("statistic", "between", "within", "expected"),
    [
        (160.08174297363163, 58, 492, 1.4555347168445182e-282),
        (168.2728703021016, 50, 520, 8.3861071559758812e-288),
        (89.63930288458617, 53, 741, 1.2462106203428274e-284),
    ],
)
def test_f_far_out(statistic: float, between: int, within: int, expected: float) -> None:
    """Oracle: the incomplete beta function in 60 digits of mpmath, where SciPy's fdtrc is off by up to a fifth."""
    assert upper_f(statistic, between, within) == pytest.approx(expected, rel=1e-10)


def test_the_ends() -> None:
    assert two_sided_t(0.0, 4) == 1.0
    assert two_sided_t(1e200, 4) == 0.0
    assert upper_f(0.0, 2, 6) == 1.0
    assert upper_f(math.inf, 2, 6) == 0.0
