"""The matrix of the front page: one line per table, one column per rule, and the reason for each empty cell."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchsuite.results.formatting import status_words
from benchsuite.results.model import BASELINE_RULE, RuleRow, TrackTable
from benchsuite.results.ranking import tuned_are_compared

GAP_LIMITS = (-0.0025, 0.0025, 0.01, 0.03, 0.1, 0.3)
"""Limits between colour classes: gaps to backprop as fractions, each about three times the last."""

GAP_WORDS = ("better by > 0.25", "within ± 0.25", "up to 1", "up to 3", "up to 10", "up to 30", "> 30")
"""Range of each colour class, in percentage points."""

NOT_RUN = "not run"
ONLY_VARIANTS = "variants"


@dataclass(frozen=True)
class Cell:
    """One rule on one table."""

    rule: str
    row: RuleRow | None
    """The row whose number is shown; None if there is no number."""
    gap: float | None
    """Mean test error minus the baseline's, as a fraction; None for the baseline, or without a baseline."""
    shade: int | None
    """Colour class of the gap, an index into ``GAP_WORDS``; None if there is no gap."""
    empty: str
    """Reason for an empty cell: a status, ``not run``, or ``variants`` if the rule has no other rows."""
    reason: str
    """Details of the reason, as in the record."""
    others: int
    """Number of further rows of this rule in the table, with other settings or on other machines."""
    row_id: str
    """Id of the row that the cell links to; empty if the rule has no row."""


@dataclass(frozen=True)
class MatrixLine:
    """One table of the site."""

    table: TrackTable
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Matrix:
    """All tables and all rules."""

    rules: tuple[str, ...]
    """The baseline first, then by name."""
    lines: tuple[MatrixLine, ...]


def build_matrix(tables: Iterable[TrackTable]) -> Matrix:
    """Build the matrix of tables and rules."""
    tables = list(tables)
    rules = rules_of(tables)
    return Matrix(rules, tuple(MatrixLine(table, _cells(table, rules)) for table in tables))


def rules_of(tables: Iterable[TrackTable]) -> tuple[str, ...]:
    """Return every rule that has a row, the baseline first, then by name."""
    return tuple(sorted({row.rule for table in tables for row in table.rows}, key=lambda r: (r != BASELINE_RULE, r)))


def main_rows(table: TrackTable) -> dict[str, RuleRow]:
    """Return the row that represents each rule where only one row fits; rules of which all rows are variants have none.

    The choice depends on how the runs were made, never on their results: first the table's own protocol, then the
    track's own settings of the rule, all seeds completed, the baseline's machine, most seeds, and last the name. Where
    the table compares tuned rows, they come before all others; of a rule that was tuned again, that of the longer
    tuning.
    """
    rows = [row for row in table.rows if not row.variant]
    if compares_tuned(table):
        tuned = [row for row in table.rows if row.tuned and not row.superseded]
        rules = {row.rule for row in tuned}
        rows = [row for row in rows if row.rule not in rules] + tuned
    usual = next((row.hardware_class for row in table.rows if row.is_baseline and row.test_error), None)
    best = {row.rule: row for row in sorted(rows, key=lambda row: _preference(row, usual), reverse=True)}
    return {rule: best[rule] for rule in rules_of([table]) if rule in best}


def compares_tuned(table: TrackTable) -> bool:
    """Return True if a table compares its tuned rows."""
    return tuned_are_compared((row.rule, row.tuned) for row in table.rows)


def _preference(row: RuleRow, usual: str | None) -> tuple[bool, bool, bool, bool, bool, int, str, str]:
    foreign = bool(row.protocol_differences)
    return (
        row.test_error is None,
        row.rank is None and foreign,
        bool(row.changed_settings),
        not row.complete,
        row.hardware_class != usual,
        -row.completed,
        row.label,
        row.row_id,
    )


def _cells(table: TrackTable, rules: Iterable[str]) -> tuple[Cell, ...]:
    standing = main_rows(table)
    return tuple(_cell(rule, standing.get(rule), [row for row in table.rows if row.rule == rule]) for rule in rules)


def _cell(rule: str, row: RuleRow | None, rows: Sequence[RuleRow]) -> Cell:
    if row is None and rows:
        names = ", ".join(row.label for row in rows)
        return Cell(
            rule, None, None, None, ONLY_VARIANTS, f"only variants were run: {names}", len(rows), rows[0].row_id
        )
    if row is None:
        return Cell(rule, None, None, None, NOT_RUN, "no record of this rule under these conditions", 0, "")
    others = len(rows) - 1
    if row.test_error is None:
        return Cell(rule, None, None, None, *_why_empty(row), others, row.row_id)
    gap = None if row.rule == BASELINE_RULE or row.gap.difference is None else row.gap.difference.mean
    return Cell(rule, row, gap, None if gap is None else shade(gap), "", "", others, row.row_id)


def shade(gap: float) -> int:
    """Return the colour class of a gap."""
    return bisect_right(GAP_LIMITS, gap)


def _why_empty(row: RuleRow) -> tuple[str, str]:
    versus_best = [run for run in row.runs if not run.superseded]
    statuses: Sequence[str] = [status for status, _ in row.failures]
    words = ", ".join(status_words(status) for status in statuses)
    return words or NOT_RUN, next((run.reason for run in versus_best if run.reason), "")
