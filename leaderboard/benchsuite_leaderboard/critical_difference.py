"""Rules ranked over tracks: average ranks, Friedman's test and Nemenyi's critical difference.

Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, section 3.2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchsuite.spec.base import TIERS
from benchsuite_leaderboard.matrix import main_row, rules_of
from benchsuite_leaderboard.model import TrackTable

SIGNIFICANCE = 0.05
LEAST_RULES = 3
LEAST_TRACKS = 2


@dataclass(frozen=True)
class Ranking:
    """The rules of one tier, ranked over the tracks on which all of them were measured."""

    tier: str
    ranks: tuple[tuple[str, float], ...]
    """Rule and its average rank, the best first; 1 is the lowest test error."""
    tracks: tuple[str, ...]
    critical_difference: float
    """Average ranks that differ by less are not told apart."""
    friedman_p: float | None
    """That all rules are alike, by the F-form of Iman and Davenport; None where every track ranks them the same."""
    alike: tuple[tuple[str, ...], ...]
    """Largest sets of rules, two or more, whose ranks lie within the critical difference."""
    left_out: tuple[tuple[str, int], ...]
    """Rules that are not ranked, and on how many tracks of the tier they were measured in full."""


def rank_rules(tables: Sequence[TrackTable]) -> list[Ranking]:
    """Return one ranking a tier, for tiers where enough rules share enough tracks.

    Ranks need every rule on every track: of the rules in the order of how many tracks they were measured on, so many
    are taken that rules times shared tracks are most. Nothing is filled in for what is missing.
    """
    rankings = (_rank_tier(tier, _errors([t for t in tables if t.tier == tier])) for tier in reversed(TIERS))
    return [ranking for ranking in rankings if ranking]


def _errors(tables: Sequence[TrackTable]) -> dict[str, dict[str, float]]:
    """Return mean test errors by rule and track; of several tables of a track, the one with published data, then most
    rules.
    """
    by_track: dict[str, TrackTable] = {}
    for table in sorted(tables, key=lambda t: (t.canonical is False, -len(t.rows), t.table_id)):
        by_track.setdefault(table.track, table)
    found: dict[str, dict[str, float]] = {}
    for track, table in sorted(by_track.items()):
        for rule in rules_of([table]):
            row = main_row(table, rule)
            if row and row.complete and row.test_error:
                found.setdefault(rule, {})[track] = row.test_error.mean
    return found


def _rank_tier(tier: str, errors: Mapping[str, Mapping[str, float]]) -> Ranking | None:
    rules, tracks = largest_block(errors)
    if not rules:
        return None
    from scipy import stats

    table = [stats.rankdata([errors[rule][track] for rule in rules]).tolist() for track in tracks]
    averages = [sum(column) / len(tracks) for column in zip(*table, strict=True)]
    ranks = tuple(sorted(zip(rules, averages, strict=True), key=lambda pair: (pair[1], pair[0])))
    distance = nemenyi_distance(len(rules), len(tracks))
    return Ranking(
        tier=tier, ranks=ranks, tracks=tuple(tracks), critical_difference=distance,
        friedman_p=friedman_p([[errors[rule][track] for track in tracks] for rule in rules]),
        alike=not_told_apart(ranks, distance),
        left_out=tuple((rule, len(errors[rule])) for rule in sorted(set(errors) - set(rules))),
    )  # fmt: skip


def largest_block(errors: Mapping[str, Mapping[str, float]]) -> tuple[list[str], list[str]]:
    """Return rules and tracks without a gap between them; empty where there are too few of either."""
    order = sorted(errors, key=lambda rule: (-len(errors[rule]), rule))
    best: tuple[list[str], list[str]] = ([], [])
    for count in range(LEAST_RULES, len(order) + 1):
        shared = sorted(set.intersection(*(set(errors[rule]) for rule in order[:count])))
        if len(shared) >= LEAST_TRACKS and count * len(shared) >= len(best[0]) * len(best[1]):
            best = (sorted(order[:count]), shared)
    return best


def nemenyi_distance(rules: int, tracks: int) -> float:
    """Return the critical difference of average ranks at the 5 % level: q sqrt(k (k + 1) / (6 N))."""
    from scipy import stats

    q = float(stats.studentized_range.ppf(1 - SIGNIFICANCE, rules, math.inf)) / math.sqrt(2)
    return q * math.sqrt(rules * (rules + 1) / (6 * tracks))


def friedman_p(errors: Sequence[Sequence[float]]) -> float | None:
    """Return the p-value that all rules are alike.

    Args:
        errors: one sequence a rule, of its errors by track.

    """
    from scipy import stats

    rules, tracks = len(errors), len(errors[0])
    chi_squared = float(stats.friedmanchisquare(*errors).statistic)
    found = iman_davenport(chi_squared, rules, tracks)
    return None if found is None else float(stats.f.sf(found, rules - 1, (rules - 1) * (tracks - 1)))


def iman_davenport(chi_squared: float, rules: int, tracks: int) -> float | None:
    """Return the F-statistic of Iman and Davenport, which is less conservative than Friedman's; None if unbounded."""
    rest = tracks * (rules - 1) - chi_squared
    return None if math.isnan(rest) or rest <= 1e-12 else (tracks - 1) * chi_squared / rest


def not_told_from(ranking: Ranking, rule: str) -> list[str]:
    """Return the rules of a ranking that one of them is not told apart from, the best first."""
    near = dict(ranking.ranks)
    return [
        other for other, rank in ranking.ranks
        if other != rule and abs(rank - near[rule]) < ranking.critical_difference
    ]  # fmt: skip


def not_told_apart(ranks: Sequence[tuple[str, float]], distance: float) -> tuple[tuple[str, ...], ...]:
    """Return the largest runs of rules, the best first, whose first and last rank differ by less than the distance."""
    found: list[tuple[str, ...]] = []
    reached = 0
    for start, (_, rank) in enumerate(ranks):
        end = max(i for i, (_, other) in enumerate(ranks) if other - rank < distance) + 1
        if end > reached and end - start > 1:
            found.append(tuple(rule for rule, _ in ranks[start:end]))
        reached = max(reached, end)
    return tuple(found)
