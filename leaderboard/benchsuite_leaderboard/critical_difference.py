"""Rank rules over tracks: mean ranks and improvability with intervals, Friedman's test, Nemenyi's difference.

Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, section 3.2.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from benchsuite.results.across_tasks import AcrossTasks, ErrorsByTask, compare_across_tasks, rank_values, shared_seeds
from benchsuite.results.model import MIN_SEEDS, TrackTable
from benchsuite.results.tail_probabilities import upper_f
from benchsuite.specs.models.base import TIERS
from benchsuite_leaderboard.matrix import compares_tuned, main_rows

SIGNIFICANCE = 0.05
MIN_RULES = 3
MIN_TRACKS = 2

STUDENTIZED_RANGE = (
    2.77181,
    3.31449,
    3.63316,
    3.85766,
    4.03009,
    4.16955,
    4.28631,
    4.38651,
    4.47412,
    4.55186,
    4.62165,
    4.68492,
    4.74273,
    4.79592,
    4.84515,
    4.89095,
    4.93375,
    4.97389,
    5.01169,
    5.04739,
    5.08119,
    5.11330,
    5.14385,
    5.17300,
    5.20085,
    5.22752,
    5.25309,
    5.27766,
    5.30129,
    5.32405,
    5.34600,
    5.36719,
    5.38768,
    5.40750,
    5.42670,
    5.44531,
    5.46336,
    5.48090,
    5.49794,
    5.51451,
    5.53063,
    5.54634,
    5.56164,
    5.57656,
    5.59112,
    5.60533,
    5.61921,
    5.63277,
    5.64603,
)
"""Upper 5 % points of the studentized range for 2, 3, … means and infinitely many degrees of freedom.

Copied from SciPy: importing its statistics takes longer than renewing a site.
"""


@dataclass(frozen=True)
class Ranking:
    """The rules of one tier, ranked over the tracks on which all of them were measured."""

    tier: str
    ranks: tuple[tuple[str, float], ...]
    """Each rule with its mean rank over seeds and tracks, the best first; rank 1 is the lowest test error."""
    across: AcrossTasks
    """The same ranks and the rules' improvability, with their intervals over tracks and seeds."""
    tracks: tuple[str, ...]
    critical_difference: float
    """Mean ranks that differ by less are not distinguishable."""
    friedman_p: float | None
    """P-value that all rules are alike, by Iman and Davenport's F; None if every track ranks them the same."""
    alike: tuple[tuple[str, ...], ...]
    """Largest sets of rules, two or more, whose ranks lie within the critical difference."""
    left_out: tuple[tuple[str, int], ...]
    """Rules that are not ranked, each with the number of the tier's tracks on which it was measured in full."""


def rank_rules(tables: Sequence[TrackTable]) -> list[Ranking]:
    """Return one ranking per tier, for tiers where enough rules share enough tracks.

    Ranks need every rule on every track. Rules are sorted by the number of tracks they were measured on, and taken from
    the top so that rules times shared tracks is largest. Missing values are never filled in.
    """
    rankings = (_rank_tier(tier, _errors([t for t in tables if t.tier == tier])) for tier in reversed(TIERS))
    return [ranking for ranking in rankings if ranking]


def _errors(tables: Sequence[TrackTable]) -> dict[str, dict[str, dict[int, float]]]:
    """Return test errors by rule, track and seed; of several tables of a track, the one with published data, then most
    rules.
    """
    by_track: dict[str, TrackTable] = {}
    for table in sorted(tables, key=lambda t: (t.canonical is False, -len(t.rows), t.table_id)):
        by_track.setdefault(table.track, table)
    found: dict[str, dict[str, dict[int, float]]] = {}
    for track, table in sorted(by_track.items()):
        tuned = compares_tuned(table)
        for rule, row in main_rows(table).items():
            if row.tuned == tuned and row.complete and row.total >= MIN_SEEDS:
                found.setdefault(rule, {})[track] = row.test_errors
    return found


def _rank_tier(tier: str, errors: Mapping[str, ErrorsByTask]) -> Ranking | None:
    rules, _ = largest_block(errors)
    # Only tracks of which all share enough seeds are left.
    across = compare_across_tasks({rule: errors[rule] for rule in rules})
    if across is None:
        return None
    tracks = across.tasks
    ranks = tuple((found.rule, found.mean_rank.mean) for found in across.rules)
    distance = nemenyi_distance(len(rules), len(tracks))
    shared = shared_seeds({rule: errors[rule] for rule in rules})
    means = [[fmean(errors[rule][track][seed] for seed in shared[track]) for track in tracks] for rule in rules]
    return Ranking(
        tier=tier,
        ranks=ranks,
        across=across,
        tracks=tracks,
        critical_difference=distance,
        friedman_p=friedman_p(means),
        alike=indistinguishable_groups(ranks, distance),
        left_out=tuple((rule, len(errors[rule])) for rule in sorted(set(errors) - set(rules))),
    )


def largest_block(errors: Mapping[str, Mapping[str, object]]) -> tuple[list[str], list[str]]:
    """Return rules and tracks without a missing value; empty if there are too few of either."""
    order = sorted(errors, key=lambda rule: (-len(errors[rule]), rule))
    best: tuple[list[str], list[str]] = ([], [])
    for count in range(MIN_RULES, len(order) + 1):
        shared = sorted(set.intersection(*(set(errors[rule]) for rule in order[:count])))
        if len(shared) >= MIN_TRACKS and count * len(shared) >= len(best[0]) * len(best[1]):
            best = (sorted(order[:count]), shared)
    return best


def nemenyi_distance(rules: int, tracks: int) -> float:
    """Return the critical difference of average ranks at the 5 % level: q sqrt(k (k + 1) / (6 N))."""
    if rules - 2 < len(STUDENTIZED_RANGE):
        reach = STUDENTIZED_RANGE[rules - 2]
    else:
        from scipy import stats

        reach = float(stats.studentized_range.ppf(1 - SIGNIFICANCE, rules, math.inf))
    return reach / math.sqrt(2) * math.sqrt(rules * (rules + 1) / (6 * tracks))


def friedman_p(errors: Sequence[Sequence[float]]) -> float | None:
    """Return the p-value that all rules are alike.

    Args:
        errors: one sequence per rule, of its errors by track.

    """
    rules, tracks = len(errors), len(errors[0])
    found = iman_davenport(friedman_statistic(errors), rules, tracks)
    return None if found is None else upper_f(found, rules - 1, (rules - 1) * (tracks - 1))


def friedman_statistic(errors: Sequence[Sequence[float]]) -> float:
    """Return Friedman's chi-squared, corrected for ties; NaN if all rules are tied on every track.

    Args:
        errors: one sequence per rule, of its errors by track.

    """
    rules, tracks = len(errors), len(errors[0])
    table = [rank_values(of_track) for of_track in zip(*errors, strict=True)]  # (tracks, rules)
    sums: list[float] = [sum(column) for column in zip(*table, strict=True)]
    squares = sum(total * total for total in sums)
    ties = sum(count * (count * count - 1) for ranks in table for count in Counter(ranks).values())
    correction = 1 - ties / (tracks * rules * (rules**2 - 1))
    if not correction:
        return math.nan
    return (12 * squares / (tracks * rules * (rules + 1)) - 3 * tracks * (rules + 1)) / correction


def iman_davenport(chi_squared: float, rules: int, tracks: int) -> float | None:
    """Return the F-statistic of Iman and Davenport, which is less conservative than Friedman's; None if unbounded."""
    rest = tracks * (rules - 1) - chi_squared
    return None if math.isnan(rest) or rest <= 1e-12 else (tracks - 1) * chi_squared / rest


def indistinguishable_from(ranking: Ranking, rule: str) -> list[str]:
    """Return the rules that are not distinguishable from one rule of a ranking, the best first."""
    near = dict(ranking.ranks)
    return [
        other for other, rank in ranking.ranks if other != rule and abs(rank - near[rule]) < ranking.critical_difference
    ]


def indistinguishable_groups(ranks: Sequence[tuple[str, float]], distance: float) -> tuple[tuple[str, ...], ...]:
    """Return the largest runs of rules, the best first, whose first and last rank differ by less than the distance."""
    found: list[tuple[str, ...]] = []
    reached = 0
    for start, (_, rank) in enumerate(ranks):
        end = max(i for i, (_, other) in enumerate(ranks) if other - rank < distance) + 1
        if end > reached and end - start > 1:
            found.append(tuple(rule for rule, _ in ranks[start:end]))
        reached = max(reached, end)
    return tuple(found)
