"""Rank the rows of a table: mark the best row and its ties, and leave out rows that may not be ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchsuite.results.model import Difference, RuleRow, VersusBest
from benchsuite.results.statistics import paired_difference


def rank_rows(rows: Sequence[RuleRow]) -> list[RuleRow]:
    """Rank rows by mean test error and sort them: ranked rows first, then the others, each by mean, then by label.

    A row is not ranked if one of its runs did not complete (its mean would include only the successful seeds), if it
    has only one seed, if its rule was run with several protocols and this is not the one that most rows have, or if it
    is a variant with a protocol of its own. The
    best row is marked, and so are the rows whose paired 95 % interval of the difference from it includes zero.
    """
    protocols: dict[str, set[tuple[Difference, ...]]] = {}
    for row in rows:
        of_rule = protocols.setdefault(row.rule, set())
        if not row.variant:
            of_rule.add(row.protocol_differences)
    reasons = {row.row_id: _why_not(row, protocols[row.rule]) for row in rows}
    ranked = sorted((r for r in rows if not reasons[r.row_id]), key=_order)
    others = sorted((r for r in rows if reasons[r.row_id]), key=_order)
    means = [_mean(r) for r in ranked]
    placed = [replace(r, rank=means.index(_mean(r)) + 1, versus_best=_versus_best(r, ranked[0])) for r in ranked]
    return placed + [replace(r, unranked_reason=reasons[r.row_id]) for r in others]


def _why_not(row: RuleRow, protocols: set[tuple[Difference, ...]]) -> str:
    if not row.complete:
        return f"incomplete: {row.completed} of {row.total} seeds"
    if row.total < 2:
        return "one seed: its spread is not known"
    if row.variant:
        has_own = row.protocol_differences and row.protocol_differences not in protocols
        return "a variant with its own protocol" if has_own else ""
    # A track has one protocol per rule. Of several, at most one is the track's: the one that the other rules have.
    if len(protocols) > 1 and row.protocol_differences:
        return "this rule has several protocols here; only the one that most rows share is ranked"
    return ""


def _versus_best(row: RuleRow, best: RuleRow) -> VersusBest:
    if row is best:
        return "best"
    difference = paired_difference(_errors(row), _errors(best))
    if difference is None or difference.low is None or difference.high is None:
        return "unknown"
    if difference.high < 0:  # Better on the shared seeds, worse on the others: the means are over different seeds.
        return "unknown"
    return "tie" if difference.low <= 0 else "behind"


def _errors(row: RuleRow) -> Mapping[int, float]:
    return {r.seed: r.test_error for r in row.runs if r.counted and r.test_error is not None}


def _mean(row: RuleRow) -> float:
    return row.test_error.mean if row.test_error else float("inf")


def _order(row: RuleRow) -> tuple[float, str, str]:
    return _mean(row), row.label, row.row_id
