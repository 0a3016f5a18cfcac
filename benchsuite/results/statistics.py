"""Statistics for a small number of seeds: mean, spread, 95 % interval, and paired differences."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import lru_cache

from benchsuite.results.model import MIN_SEEDS, Estimate
from benchsuite.results.tail_probabilities import two_sided_t

CONFIDENCE = 0.95

T_QUANTILES = (
    12.706204736174694,
    4.302652729749462,
    3.1824463052837078,
    2.7764451051977934,
    2.5705818356363146,
    2.4469118511449786,
    2.364624251592784,
    2.306004135204166,
    2.262157162798205,
    2.228138851986274,
    2.200985160091639,
    2.1788128296672284,
    2.1603686564627913,
    2.144786687917804,
    2.131449545559776,
    2.1199052992212546,
    2.1098155778333156,
    2.1009220402410382,
    2.0930240544083087,
    2.085963447265864,
    2.0796138447276795,
    2.0738730679040254,
    2.0686576104190486,
    2.0638985616280245,
    2.0595385527532972,
    2.0555294386428735,
    2.0518305164802846,
    2.0484071417952454,
    2.045229642132703,
    2.0422724563012378,
    2.039513446396408,
    2.0369333434601016,
    2.0345152974493383,
    2.0322445093177186,
    2.030107928250343,
    2.0280940009804502,
    2.0261924630291093,
    2.0243941639119694,
    2.022690920036761,
    2.021075390306273,
    2.019540970441376,
    2.0180817028184443,
    2.016692199227824,
    2.0153675744437636,
    2.014103388880846,
    2.012895598919429,
    2.0117405137297655,
    2.010634757624232,
    2.0095752371292392,
    2.008559112100761,
    2.007583770315836,
    2.006646805061688,
    2.0057459953178687,
    2.0048792881880564,
    2.0040447832891455,
    2.003240718847872,
    2.002465459291007,
    2.0017174841452356,
    2.000995378088267,
    2.0002978220142604,
    1.999623584994939,
    1.9989715170333788,
    1.998340542520741,
    1.997729654317693,
    1.9971379083920038,
    1.9965644189523117,
    1.996008354025296,
    1.9954689314298435,
    1.9949454151072374,
    1.994437111771186,
    1.9939433678456255,
    1.9934635666618719,
    1.992997125889855,
    1.992543495180932,
    1.9921021540022417,
    1.9916726096446642,
    1.9912543953883846,
    1.9908470688116906,
    1.9904502102301285,
    1.990063421254446,
    1.9896863234569029,
    1.989318557136572,
    1.9889597801751624,
    1.9886096669757083,
    1.9882679074772216,
    1.98793420623902,
    1.9876082815890708,
    1.9872898648311692,
    1.986978699506281,
    1.9866745407037683,
    1.9863771544186177,
    1.98608631695113,
    1.9858018143458227,
    1.985523441866604,
    1.9852510035054978,
    1.984984311522457,
    1.9847231860139845,
    1.9844674545084815,
    1.9842169515864174,
    1.9839715185235518,
)
"""``scipy.special.stdtrit(n, 0.975)`` for n = 1, 2, …: nearly all intervals need one of these, and importing scipy for
them takes a tenth of a second."""


def estimate(values: Sequence[float]) -> Estimate | None:
    """Summarize independent measurements by mean, standard deviation and Student's t-interval.

    Args:
        values: One finite number per seed.

    Returns:
        None without values. With one value the spread is None, and with fewer than ``MIN_SEEDS`` the interval, because
        so few seeds cannot show them.

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
    if n < MIN_SEEDS:
        return Estimate(mean=mean, n=n, sd=sd)
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
        standard deviation. None if a sample has fewer than ``MIN_SEEDS`` values.

    Source: Welch 1947, with the degrees of freedom of Welch and Satterthwaite.
    """
    found = _welch(values, others) if min(len(values), len(others)) >= MIN_SEEDS else None
    if found is None:
        return None
    mean, error, freedom = found
    half = t_quantile(freedom) * error if error else 0.0
    return Estimate(mean=mean, n=min(len(values), len(others)), low=mean - half, high=mean + half)


def paired_p_value(difference: Estimate | None) -> float | None:
    """Return the two-sided p-value of the paired t-test: the probability of so large a mean difference if it is zero.

    Args:
        difference: from ``paired_difference``.

    Returns:
        None with fewer than ``MIN_SEEDS`` pairs, or if all pairs differ equally: the spread is unknown then.
    """
    if difference is None or difference.n < MIN_SEEDS or not difference.sd:
        return None
    error = difference.sd / math.sqrt(difference.n)
    return two_sided_t(difference.mean / error, difference.n - 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, such that the chance of any false rejection stays at the level.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure"; the smallest is multiplied by their
    number, the next by one less, and none ends below a smaller one.
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for place, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = largest
    return corrected


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


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return Kendall's tau-b: 1 if both values order the pairs alike, -1 if oppositely; None if either is constant."""
    from scipy.stats import kendalltau

    found = float(kendalltau(*zip(*pairs, strict=True)).statistic)
    return None if math.isnan(found) else found


def median(values: Sequence[float]) -> float | None:
    """Return the median, or None without values."""
    return float(statistics.median(values)) if values else None


@lru_cache(maxsize=256)
def t_quantile(degrees_of_freedom: float) -> float:
    """Return the upper end of the central 95 % of Student's t-distribution."""
    if 1 <= degrees_of_freedom <= len(T_QUANTILES) and degrees_of_freedom == int(degrees_of_freedom):
        return T_QUANTILES[int(degrees_of_freedom) - 1]
    # Imported late: it takes 0.1 s, and the command's help needs no statistics.
    from scipy.special import stdtrit

    return float(stdtrit(degrees_of_freedom, (1 + CONFIDENCE) / 2))
