"""The parts of a track's records and tables that pages of several tracks need, and that are kept for later builds."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import replace

from benchsuite.records.model import RunRecord
from benchsuite.results.curves import thin
from benchsuite.results.grouping import conditions
from benchsuite.results.model import TrackTable

FEW_POINTS = 16
"""Points of a learning curve that pages of several tracks draw in a cell."""


def is_wanted(record: RunRecord, wanted: Iterable[str]) -> bool:
    """Return True if a record decides a claim.

    Args:
        record: the record.
        wanted: conditions of the runs that decide claims.

    """
    return bool(wanted) and conditions(record.spec) in wanted


def slim(record: RunRecord, metrics: Iterable[str], epochs: Set[int]) -> RunRecord:
    """Return a record without the values that no claim uses.

    Args:
        record: the record.
        metrics: diagnostics that claims are about.
        epochs: epochs that claims are about, other than the last.

    """
    last = max((each.epoch for each in record.epochs), default=0)
    kept = tuple(each for each in record.epochs if each.epoch in epochs or each.epoch == last)
    selected = tuple(value for value in record.diagnostics if value.diagnostic in metrics)
    left_out = {"pretraining": (), "step_diagnostics": (), "traceback": None}
    return record.model_copy(update={"epochs": kept, "diagnostics": selected, **left_out})


def without_curves(table: TrackTable) -> TrackTable:
    """Return a table as the shared pages need it: curves of a few points, and no records."""
    rows = (
        replace(
            row,
            curve=tuple(thin(row.curve, FEW_POINTS)),
            diagnostics=(),
            runs=tuple(replace(run, record=None, test_curve={}) for run in row.runs),
        )
        for row in table.rows
    )
    return replace(table, rows=tuple(rows))
