"""Rows whose tuning was followed by a longer one: they stay in their table and are no longer compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from benchsuite.records.tuning import TuningRecord
from benchsuite.results.row_records import RowRecords
from benchsuite.specs.search_space import same_search


def mark_superseded(rows: Sequence[RowRecords], tunings: Iterable[TuningRecord]) -> list[RowRecords]:
    """Mark the tuned rows that another row of the same rule replaces: its tuning had more trials, or was later.

    The same order decides which tuning ``--settings tuned`` takes. A row is replaced only by one with at least as many
    completed seeds, all of which completed; so a comparison that is being made anew loses nothing meanwhile. Results
    have no part in it.

    Args:
        rows: the rows of one table.
        tunings: all tunings at hand; a row whose tuning is not among them neither replaces nor is replaced.

    """
    found = {tuning.tuning_id: tuning for tuning in tunings}
    latest = [
        max((found[i] for i in row.tunings if i in found), key=lambda each: each.precedence, default=None)
        for row in rows
    ]

    def replaces(place: int, other: int) -> bool:
        ours, theirs = latest[place], latest[other]
        if ours is None or theirs is None or _machine(rows[place]) != _machine(rows[other]):
            return False
        complete = len(rows[place].counted) == len(rows[place].latest) >= len(rows[other].counted)
        return complete and ours.precedence > theirs.precedence and same_search(ours.spec, theirs.spec)

    places = range(len(rows))
    return [replace(row, is_superseded=any(replaces(by, at) for by in places)) for at, row in enumerate(rows)]


def _machine(row: RowRecords) -> tuple[str, str]:
    return row.first.hardware.hardware_class, row.first.hardware.precision
