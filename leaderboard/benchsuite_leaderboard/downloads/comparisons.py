"""Comparisons of rules as downloadable data: every pair, and the rankings over tracks."""

from __future__ import annotations

from benchsuite.results.across_tasks import TaskMean
from benchsuite.results.formatting import interval, mean_sd, p_value, percent, points
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.critical_difference import Ranking, indistinguishable_from
from benchsuite_leaderboard.downloads.formats import DataTable
from benchsuite_leaderboard.downloads.results import table_name


def pair_data(pair: Pair) -> DataTable:
    """Return two rules on all tables that have both."""
    columns = (
        "track",
        "tier",
        "table",
        "left_rule",
        "right_rule",
        "left_test_error",
        "right_test_error",
        "difference",
        "low",
        "high",
        "pairs",
        "p_holm",
        "left_cost_ratio",
        "right_cost_ratio",
    )
    rows, printed = [], []
    for line in pair.lines:
        left, right, found = line.left, line.right, line.difference
        means = [row.test_error.mean if row.test_error else None for row in (left, right)]
        gap = (found.mean, found.low, found.high, found.n) if found else (None, None, None, None)
        rows.append(
            (
                line.table.track,
                line.table.tier,
                line.table.table_id,
                pair.left,
                pair.right,
                *means,
                *gap,
                line.p_value,
                left.cost.ratio,
                right.cost.ratio,
            )
        )
        difference = points(found.mean) if found else "–"
        where = (table_name(line.table), line.table.tier)
        printed.append((*where, mean_sd(left.test_error), mean_sd(right.test_error), difference, p_value(line.p_value)))
    heads = ("Track", "Tier", f"{pair.left}, %", f"{pair.right}, %", "Difference, points", "p (Holm)")
    places = {"left": (2,), "right": (3,), "": (2, 3)}
    best = frozenset((number, place) for number, line in enumerate(pair.lines) for place in places[line.better])
    title = f"{pair.left} and {pair.right}: test errors"
    return DataTable(title, columns, tuple(rows), heads, tuple(printed), best)


def ranking_data(ranking: Ranking) -> DataTable:
    """Return one tier's ranking over tracks."""
    columns = (
        "rule",
        "mean_rank",
        "mean_rank_low",
        "mean_rank_high",
        "improvability",
        "improvability_low",
        "improvability_high",
        "tracks",
        "critical_difference",
        "friedman_p",
        "not_told_apart_from",
    )
    rows = tuple(
        (
            found.rule,
            *_numbers(found.mean_rank),
            *_numbers(found.improvability),
            len(ranking.tracks),
            ranking.critical_difference,
            ranking.friedman_p,
            " ".join(indistinguishable_from(ranking, found.rule)) or None,
        )
        for found in ranking.across.rules
    )
    title = (
        f"Mean ranks on {len(ranking.tracks)} tracks, {ranking.tier} tier; "
        f"critical difference {ranking.critical_difference:.2f}"
    )
    heads = ("Rule", "Mean rank", "95 % interval", "Improvability, %", "95 % interval")
    printed = tuple(
        (
            found.rule,
            f"{found.mean_rank.mean:.2f}",
            rank_interval(found.mean_rank),
            percent(found.improvability.mean, 1),
            interval(found.improvability),
        )
        for found in ranking.across.rules
    )
    return DataTable(title, columns, rows, heads, printed)


def rank_interval(found: TaskMean) -> str:
    """Return the interval of a mean rank, or a dash."""
    return "–" if found.low is None or found.high is None else f"{found.low:.2f} to {found.high:.2f}"


def _numbers(found: TaskMean) -> tuple[float, float | None, float | None]:
    return found.mean, found.low, found.high
