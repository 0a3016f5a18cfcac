"""Remarks put to the rows that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchsuite.errors import nearest
from benchsuite.records.reading import BrokenRecord
from benchsuite.records.remarks import PlacedRemark
from benchsuite.results.model import RuleRow, TrackTable

RowRemarks = dict[str, dict[str, tuple[str, ...]]]
"""Texts of remarks by table and row: rows of several tables may have one ``row_id``."""


def remarks_by_row(
    remarks: Iterable[PlacedRemark], tables: Sequence[TrackTable]
) -> tuple[RowRemarks, list[BrokenRecord]]:
    """Put the remarks on a track to its rows.

    Args:
        remarks: the remarks on the track.
        tables: the track's tables.

    Returns:
        The texts, and a problem for each rule of a remark that has no such row.

    """
    texts: RowRemarks = {}
    unplaced = []
    for placed in remarks:
        rows = [(table, row) for table in tables if table.tier == placed.remark.tier for row in table.rows]
        for rule in placed.remark.rules:
            meant = [(table, row) for table, row in rows if row.rule == rule and _is_meant(row, placed)]
            for table, row in meant:
                of_table = texts.setdefault(table.table_id, {})
                of_table[row.row_id] = (*of_table.get(row.row_id, ()), placed.remark.text)
            if not meant:
                unplaced.append(placed.problem(_no_row(placed, rule, [row for _, row in rows])))
    return texts, unplaced


def _is_meant(row: RuleRow, placed: PlacedRemark) -> bool:
    wanted = placed.remark.label_has
    return wanted in row.label if wanted else not row.superseded


def _no_row(placed: PlacedRemark, rule: str, rows: Sequence[RuleRow]) -> str:
    where = f"in '{placed.track}' at tier {placed.remark.tier}"
    labels = [row.label for row in rows if row.rule == rule]
    if labels:
        wanted = placed.remark.label_has or "one that no longer tuning has replaced"
        return f"no row of '{rule}' {where} is {wanted!r}; its rows are {', '.join(map(repr, labels))}"
    return f"'{rule}' has no row {where}{nearest(rule, sorted({row.rule for row in rows}))}"
