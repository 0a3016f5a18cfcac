"""Comparisons of rules as downloadable data: every pair, and the rankings over tracks."""

from __future__ import annotations

from benchsuite.results.formatting import mean_sd, p_value, points
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.critical_difference import Ranking, indistinguishable_from
from benchsuite_leaderboard.downloads.formats import DataTable


def pair_data(pair: Pair) -> DataTable:
    """Return two rules on all tables that have both."""
    columns = (
        "track",
        "tier",
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
        where = (line.table.track, line.table.tier)
        rows.append((*where, pair.left, pair.right, *means, *gap, line.p_value, left.cost.ratio, right.cost.ratio))
        difference = points(found.mean) if found else "–"
        printed.append((*where, mean_sd(left.test_error), mean_sd(right.test_error), difference, p_value(line.p_value)))
    heads = ("Track", "Tier", f"{pair.left}, %", f"{pair.right}, %", "Difference, points", "p (Holm)")
    return DataTable(f"{pair.left} and {pair.right}: test errors", columns, tuple(rows), heads, tuple(printed))


def ranking_data(ranking: Ranking) -> DataTable:
    """Return one tier's ranking over tracks."""
    columns = ("rule", "average_rank", "tracks", "critical_difference", "friedman_p", "not_told_apart_from")
    rows = tuple(
        (
            rule,
            rank,
            len(ranking.tracks),
            ranking.critical_difference,
            ranking.friedman_p,
            " ".join(indistinguishable_from(ranking, rule)) or None,
        )
        for rule, rank in ranking.ranks
    )
    title = (
        f"Average ranks on {len(ranking.tracks)} tracks, {ranking.tier} tier; "
        f"critical difference {ranking.critical_difference:.2f}"
    )
    printed = tuple((rule, f"{rank:.2f}") for rule, rank in ranking.ranks)
    return DataTable(title, columns, rows, ("Rule", "Average rank"), printed)
