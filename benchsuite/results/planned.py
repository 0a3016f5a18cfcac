"""Test the planned comparisons of a table: paired t-tests, corrected by Holm's method over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchsuite.results.baseline import partner_of
from benchsuite.results.grouping import short_hash
from benchsuite.results.model import BASELINE_RULE, READOUT_RULE, RowComparison
from benchsuite.results.ranking import tuned_are_compared
from benchsuite.results.row_records import RowRecords
from benchsuite.results.statistics import holm, paired_difference, paired_p_value
from benchsuite.specs.models.comparison_plan import ComparisonPlan, PlannedComparison

DERIVED = (PlannedComparison(against=BASELINE_RULE), PlannedComparison(against=READOUT_RULE))
"""The comparisons of a track that states none: is a rule behind backprop, and does it train more than the readout?"""

PlansByTrack = Mapping[str, ComparisonPlan]
"""The plans of tracks that state one."""


def planned_comparisons(
    table_records: Sequence[RowRecords], usual: dict[str, Any], plan: ComparisonPlan
) -> dict[str, tuple[RowComparison, ...]]:
    """Return the planned comparisons of each row, by the row's key; every pair of rows once.

    All rows of a rule with the track's settings are tested, one per machine; a variant only if the plan names it. Where
    the table compares tuned rows, they are tested instead, without those that a longer tuning has replaced.

    Args:
        table_records: the records of all rows of the table.
        usual: the protocol that most rows have.
        plan: the track's plan.

    """
    found: list[tuple[str, RowComparison]] = []
    for row, other, against in _pairs(table_records, usual, plan):
        difference = paired_difference(row.test_errors, other.test_errors)
        if difference is not None:
            p_value = paired_p_value(difference)
            found.append((row.key, RowComparison(against, short_hash(other.key), difference, p_value, 0)))
    p_values = [comparison.p_value for _, comparison in found if comparison.p_value is not None]
    corrected = iter(holm(p_values))
    by_row: dict[str, list[RowComparison]] = {}
    for key, comparison in found:
        p_value = None if comparison.p_value is None else next(corrected)
        by_row.setdefault(key, []).append(replace(comparison, p_value=p_value, tested=len(p_values)))
    return {key: tuple(comparisons) for key, comparisons in by_row.items()}


def _pairs(
    table_records: Sequence[RowRecords], usual: dict[str, Any], plan: ComparisonPlan
) -> Iterator[tuple[RowRecords, RowRecords, str]]:
    """Yield (row, row whose error is subtracted, that row's name), each pair of rows once in either direction."""
    seen: set[frozenset[str]] = set()
    by_tuned = tuned_are_compared((row.first.spec.rule.name, row.is_tuned) for row in table_records)
    for planned in (*(DERIVED if plan.derived else ()), *plan.pairs):
        for row in table_records:
            usual_row = row.is_tuned and not row.is_superseded if by_tuned else not row.is_variant
            named = usual_row if planned.row is None else row.name == planned.row
            other = partner_of(row, table_records, usual, planned.against) if named and row.counted else None
            if other is not None and planned.row is None and other.is_tuned != row.is_tuned:
                continue  # which would test the tuning, not the rule
            if other is None or other is row or (pair := frozenset({row.key, other.key})) in seen:
                continue
            seen.add(pair)
            yield row, other, planned.against
