"""Rank the rows of a table: mark the best row and its ties, and leave out rows that may not be ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchsuite.results.model import MIN_SEEDS, Difference, RuleRow, VersusBest
from benchsuite.results.statistics import paired_difference


def rank_rows(rows: Sequence[RuleRow]) -> list[RuleRow]:
    """Rank rows by test error and sort them: ranked rows first, by rank and mean, then the others by mean and label.

    Rows that are not told apart from the best share rank 1 with it: the paired 95 % interval of the difference includes
    zero. The rank of any other is one more than the number of ranked rows that are significantly better.

    Rows of tuned settings and rows of published ones are never ranked together, as less effort went into the latter.
    The tuned ones are ranked if at least as many rules have them, else the published ones. Of a rule that was tuned
    again, the row of the longer tuning is ranked.

    A row is not ranked if one of its runs did not complete (its mean would include only the successful seeds), if it
    has fewer than ``MIN_SEEDS`` seeds or shares fewer with the best row, if its rule was run with several protocols and
    this is not the one that most rows have, or if it is a variant with a protocol of its own.
    """
    protocols: dict[str, set[tuple[Difference, ...]]] = {}
    for row in rows:
        of_rule = protocols.setdefault(row.rule, set())
        if not row.variant:
            of_rule.add(row.protocol_differences)
    by_tuned = tuned_are_compared((row.rule, row.tuned) for row in rows)
    reasons = {
        row.row_id: _why_not(row, protocols[row.rule]) if row.tuned == by_tuned else OTHER_SETTINGS[by_tuned]
        for row in rows
    }
    ranked = sorted((r for r in rows if not reasons[r.row_id]), key=_order)
    errors = {r.row_id: r.test_errors for r in ranked}
    for row in ranked[1:]:
        if len(errors[row.row_id].keys() & errors[ranked[0].row_id].keys()) < MIN_SEEDS:
            reasons[row.row_id] = f"fewer than {MIN_SEEDS} seeds shared with the best row, {ranked[0].label}"
    ranked = [r for r in ranked if not reasons[r.row_id]]
    others = sorted((r for r in rows if reasons[r.row_id]), key=_order)
    placed = []
    for place, row in enumerate(ranked):
        better = [_is_behind(errors[row.row_id], errors[other.row_id]) for other in ranked[:place]]
        versus_best: VersusBest = "best" if place == 0 else "behind" if better[0] else "tie"
        rank = 1 + sum(better) if versus_best == "behind" else 1
        placed.append(replace(row, rank=rank, versus_best=versus_best))
    placed.sort(key=lambda row: (row.rank or 0, *_order(row)))
    return placed + [replace(r, unranked_reason=reasons[r.row_id]) for r in others]


def tuned_are_compared(rows: Iterable[tuple[str, bool]]) -> bool:
    """Return True if a table compares its tuned rows, False if it compares those with published settings.

    Args:
        rows: rule of each row, and True if its settings are tuned.

    """
    rules: dict[bool, set[str]] = {True: set(), False: set()}
    for rule, is_tuned in rows:
        rules[is_tuned].add(rule)
    return len(rules[True]) >= max(2, len(rules[False]))


OWN_PROTOCOL = "a variant with its own protocol"
OTHER_SETTINGS = {
    True: "published settings; here tuned ones are compared",
    False: "tuned settings; here published ones are compared, as more rules have them",
}
SUPERSEDED = "superseded: a longer tuning has a row of its own"
RATE = "protocol.optimizer.learning_rate"


def _why_not(row: RuleRow, protocols: set[tuple[Difference, ...]]) -> str:
    if not row.complete:
        return f"incomplete: {row.completed} of {row.total} seeds"
    if row.total < MIN_SEEDS:
        return f"{row.total} seed{'s' if row.total > 1 else ''}: a rank takes {MIN_SEEDS}"
    if row.superseded:
        return SUPERSEDED
    if row.tuned:
        return OWN_PROTOCOL if any(found.field != RATE for found in row.protocol_differences) else ""
    if row.variant:
        has_own = row.protocol_differences and row.protocol_differences not in protocols
        return OWN_PROTOCOL if has_own else ""
    # A track has one protocol per rule. Of several, at most one is the track's: the one that the other rules have.
    if len(protocols) > 1 and row.protocol_differences:
        return "this rule has several protocols here; only the one that most rows share is ranked"
    return ""


def _is_behind(errors: Mapping[int, float], others: Mapping[int, float]) -> bool:
    """Return True if the other row is significantly better, by the paired interval of the seeds that both have."""
    difference = paired_difference(errors, others)
    return difference is not None and difference.low is not None and difference.low > 0


def _mean(row: RuleRow) -> float:
    return row.test_error.mean if row.test_error else float("inf")


def _order(row: RuleRow) -> tuple[float, str, str]:
    return _mean(row), row.label, row.row_id
