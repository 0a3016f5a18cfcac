"""Show a part of a self-test: its status, and its rows as a table per kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rich.text import Text

from benchsuite.acceptance.environment import HARDWARE
from benchsuite.api.display import Part
from benchsuite.api.fitting import Column, FittedTable
from benchsuite.api.tables import rule_name
from benchsuite.records.selftest import CapturedStep, Fact, Row, SelftestPart
from benchsuite.results.formatting import number

STYLES = {"passed": "green", "skipped": "dim", "interrupted": "yellow"}


def parts_of(part: SelftestPart) -> Iterator[Part]:
    """Yield a line about a part's end, and its tables."""
    title = part.name.replace("_", " ")
    line = Text(f"{title}: {part.status.replace('_', ' ')}", style=STYLES.get(part.status, "red"))
    line.append(f", {part.took_s:.1f} s of {part.given_s:.0f}" if part.given_s else "", style="dim")
    line.append(f": {part.reason}" if part.reason else "", style="default")
    yield line
    kinds: dict[type[object], list[Row]] = defaultdict(list)
    for row in part.rows:
        kinds[type(row)].append(row)
    for kind, rows in kinds.items():
        if kind is CapturedStep:
            yield _captured([row for row in rows if isinstance(row, CapturedStep)])
        else:
            yield _plain([row for row in rows if not (isinstance(row, Fact) and row.name == HARDWARE)])


def _plain(rows: Sequence[Row]) -> FittedTable:
    """Return a table with a column per field that any row has; the last ones go first where there is no room."""
    cells = [{name: value for name, value in row if name != "kind"} for row in rows]
    names = [name for name in dict.fromkeys(name for each in cells for name in each) if any(e.get(name) for e in cells)]
    columns = []
    for number_of_column, name in enumerate(names):
        is_number = any(isinstance(each[name], int | float) for each in cells)
        importance = len(names) - number_of_column if number_of_column > 1 else None
        wraps = any(" " in _shown(each[name]) for each in cells)
        columns.append(Column(name.replace("_", " "), importance, right=is_number, wraps=wraps))
    table = FittedTable(columns)
    for each in cells:
        table.add_row(*(_shown(each[name]) for name in names))
    return table


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return number(value)
    return "" if value is None else str(value)


def _captured(rows: Sequence[CapturedStep]) -> FittedTable:
    """Return a table with a row per rule: how many networks, and the reasons of those that are not recorded."""
    counts = [Column(name, right=True) for name in ("networks", "recorded", "captured", "eager")]
    difference = Column("largest difference", importance=2, right=True)
    table = FittedTable([Column("rule"), *counts, difference, Column("remarks", importance=1, wraps=True)])
    for rule in dict.fromkeys(row.rule for row in rows):
        of_rule = [row for row in rows if row.rule == rule]
        differences = [row.difference for row in of_rule if row.difference is not None]
        remarks = dict.fromkeys(f"{row.network}: {row.reason}" for row in of_rule if row.reason)
        table.add_row(
            rule_name(rule),
            str(len(of_rule)),
            *(str(sum(row.step == step for row in of_rule) or "") for step in ("recorded", "cuda_graph", "eager")),
            "" if not differences else f"{max(differences):.1e}" if max(differences) else "none",
            "; ".join(remarks),
        )
    return table
