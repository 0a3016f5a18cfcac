"""The headline board as downloadable data: as data one row per cell, as printed one line per rule."""

from __future__ import annotations

from benchsuite.results.formatting import interval, percent, points
from benchsuite.results.model import BASELINE_RULE
from benchsuite_leaderboard.board import Board, BoardCell, settings_of
from benchsuite_leaderboard.downloads.formats import DataTable, Value
from benchsuite_leaderboard.names import RuleNames

COLUMNS = (
    "rank",
    "rule",
    "task",
    "track",
    "tier",
    "form",
    "settings",
    "state",
    "versus_baseline",
    "test_error_mean",
    f"gap_to_{BASELINE_RULE}",
    "gap_low",
    "gap_high",
    "gap_pairs",
    "near_chance",
)


def headline_data(board: Board, names: RuleNames) -> DataTable:
    """Return the board as data."""
    rows = tuple(
        (row.rank, row.rule, column.title, *_data(board, cell))
        for row in board.rows
        for column, cell in zip(board.columns, row.cells, strict=True)
    )
    printed = tuple(
        (names.short(row.rule), "–" if row.rank is None else str(row.rank), *map(_printed, row.cells))
        for row in board.rows
    )
    title = (
        f"Gap to {BASELINE_RULE} in points of test error, with 95 % intervals; {BASELINE_RULE}'s own error in per cent"
    )
    return DataTable(title, COLUMNS, rows, ("Rule", "Rank", *(column.title for column in board.columns)), printed)


def _data(board: Board, cell: BoardCell) -> tuple[Value, ...]:
    row, gap = cell.row, cell.gap
    return (
        cell.table.track if cell.table else None,
        board.tier,
        cell.form or None,
        settings_of(row) if row else None,
        cell.state,
        cell.versus or None,
        row.test_error.mean if row and row.test_error else None,
        gap.mean if gap else None,
        gap.low if gap else None,
        gap.high if gap else None,
        gap.n if gap else None,
        cell.near_chance,
    )


def _printed(cell: BoardCell) -> str:
    if cell.gap is not None:
        between = "" if cell.gap.low is None else f" ({interval(cell.gap, signed=True)})"
        return points(cell.gap.mean) + between
    if cell.row is not None and cell.row.test_error is not None:
        return f"{percent(cell.row.test_error.mean)} %"
    return "" if cell.state == "not run" else cell.state
