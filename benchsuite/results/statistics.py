"""Statistics for a small number of seeds: mean, spread, 95 % interval, and paired differences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import lru_cache

from benchsuite.results.model import Estimate

CONFIDENCE = 0.95


def estimate(values: Sequence[float]) -> Estimate | None:
    """Summarize independent measurements by mean, standard deviation and Student's t-interval.

    Args:
        values: One finite number per seed.

    Returns:
        None without values. With one value the spread and the interval are None, because one seed cannot show them.

    Source: two-sided interval ``mean ± t(0.975, n - 1) * sd / sqrt(n)``, sd with n - 1 in the denominator.
    """
    n = len(values)
    if n == 0:
        return None
    # Relative to the first value, so that n equal seeds give exactly that value and sd 0, not 1e-17; the standard
    # library's exact fractions do the same but take ten times as long.
    mean = float(values[0]) + math.fsum(value - values[0] for value in values) / n
    if n == 1:
        return Estimate(mean=mean, n=1)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = t_quantile(n - 1) * sd / math.sqrt(n)
    return Estimate(mean=mean, n=n, sd=sd, low=mean - half, high=mean + half)


def paired_difference(values: Mapping[int, float], baseline: Mapping[int, float]) -> Estimate | None:
    """Summarize ``values - baseline`` over the seed indices that both have.

    With the same seed index two rules share the initial network and the order of examples, so their common spread
    cancels. Seeds that only one side has are left out; ``n`` is the number of remaining pairs.

    Args:
        values: Measurement by seed index.
        baseline: Measurement of the baseline, by seed index.

    Returns:
        None if no seed index is in both.
    """
    shared = sorted(values.keys() & baseline.keys())
    return estimate([values[seed] - baseline[seed] for seed in shared])


def welch_difference(values: Sequence[float], others: Sequence[float]) -> Estimate | None:
    """Summarize the difference of the means of two independent samples, whose variances may differ.

    Args:
        values: One finite number per seed.
        others: The values to subtract, one per seed.

    Returns:
        The difference of the means with its 95 % interval; ``n`` is the smaller sample's size, and there is no single
        standard deviation. None if a sample has fewer than two values.

    Source: Welch 1947, with the degrees of freedom of Welch and Satterthwaite.
    """
    found = _welch(values, others)
    if found is None:
        return None
    mean, error, freedom = found
    half = t_quantile(freedom) * error if error else 0.0
    return Estimate(mean=mean, n=min(len(values), len(others)), low=mean - half, high=mean + half)


def welch_p_value(values: Sequence[float], others: Sequence[float]) -> float | None:
    """Return the two-sided p-value of Welch's t-test: the probability of so large a difference if the means are equal.

    Args:
        values: One finite number per seed.
        others: The values to compare with, one per seed.

    Returns:
        None if a sample has fewer than two values, or if neither varies: the spread is unknown then.

    Source: Welch 1947, with the degrees of freedom of Welch and Satterthwaite.
    """
    found = _welch(values, others)
    if found is None or not found[1]:
        return None
    from scipy.special import stdtr

    mean, error, freedom = found
    return float(2 * stdtr(freedom, -abs(mean) / error))


def _welch(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float] | None:
    """Return the difference of the means, its standard error and its degrees of freedom."""
    first, second = estimate(values), estimate(others)
    if first is None or second is None or first.sd is None or second.sd is None:
        return None
    shares = [e.sd**2 / e.n for e in (first, second) if e.sd is not None]
    mean, variance = first.mean - second.mean, sum(shares)
    if variance == 0:
        return mean, 0.0, math.inf
    # Divided by the variance first, because squares of very small variances would underflow to zero.
    freedom = 1 / sum((s / variance) ** 2 / (e.n - 1) for s, e in zip(shares, (first, second), strict=True))
    return mean, math.sqrt(variance), freedom


def median(values: Sequence[float]) -> float | None:
    """Return the median, or None without values."""
    return float(statistics.median(values)) if values else None


@lru_cache(maxsize=256)
def t_quantile(degrees_of_freedom: float) -> float:
    """Return the upper end of the central 95 % of Student's t-distribution."""
    # Imported late: it takes 0.1 s, and the command's help needs no statistics.
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, (1 + CONFIDENCE) / 2))
