"""Tail probabilities of Student's t and of the F distribution, without scipy.

Importing ``scipy.special`` takes a quarter of a second in every process that states a p-value, ten times as long as all
p-values of a site. The tests compare both functions with scipy's.
"""

from __future__ import annotations

import math

SMALLEST = 1e-300
"""Stands for a zero denominator of the continued fraction."""
MOST_TERMS = 10_000
ROUNDING = 1e-15


def two_sided_t(statistic: float, degrees_of_freedom: float) -> float:
    """Return the probability that Student's t is at least as far from zero as a statistic."""
    square = statistic * statistic
    total = degrees_of_freedom + square
    return _incomplete_beta(degrees_of_freedom / 2, 0.5, degrees_of_freedom / total, square / total)


def upper_f(statistic: float, between: float, within: float) -> float:
    """Return the probability that F exceeds a statistic.

    Args:
        statistic: at least 0; may be infinite.
        between: degrees of freedom of the numerator.
        within: degrees of freedom of the denominator.

    """
    if math.isinf(statistic):
        return 0.0
    total = within + between * statistic
    return _incomplete_beta(within / 2, between / 2, within / total, between * statistic / total)


def _incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """Return the regularized incomplete beta function I_x(a, b).

    Args:
        a: first parameter, positive.
        b: second parameter, positive.
        x: from 0 to 1.
        rest: 1 - x, which the caller knows without cancellation.

    Source: the continued fraction 8.17.22 of the Digital Library of Mathematical Functions, evaluated by Lentz's method
    in the form of Thompson and Barnett; for x beyond its mean by the symmetry I_x(a, b) = 1 - I_{1-x}(b, a).
    """
    if x <= 0 or rest <= 0:
        return float(x > 0)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, rest, x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)) / a
    fraction, above, below = 1.0, 1.0, 0.0
    for term in range(1, MOST_TERMS):
        half, is_odd = divmod(term, 2)
        if is_odd:
            part = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            part = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        below = 1 / ((1 + part * below) or SMALLEST)
        above = (1 + part / above) or SMALLEST
        fraction *= above * below
        if abs(above * below - 1) < ROUNDING:
            break
    return front / fraction
