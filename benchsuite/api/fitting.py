"""Tables that fit their width: names get short and columns go by importance; no name and no number is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, JustifyMethod, RenderResult
from rich.table import Table
from rich.text import Text

GAP = 2
"""Spaces between columns."""

READABLE = 24
"""Width that a column of sentences needs before others are left out for it."""


NARROW = 12
"""Width that a column of sentences keeps while names and numbers have no room."""

BREAKS = "-_./"
"""Characters of a name after which it may go on in the next line."""


class Name(NamedTuple):
    """A cell that has a short form for narrow tables, such as ``DFA`` for ``direct_feedback_alignment``."""

    full: str
    short: str


Cell = Name | Text | str
"""Plain text has no markup: what a record says is shown as it is."""


@dataclass(frozen=True)
class Column:
    """A column of a fitted table.

    Attributes:
        title: its heading.
        importance: columns with the lowest number go first; None for a column that always stays.
        right: True to align numbers on the right.
        wraps: True for sentences, which may take several lines, broken between words.

    """

    title: str
    importance: int | None = None
    right: bool = False
    wraps: bool = False


@dataclass
class FittedTable:
    """A table that leaves out its least important columns where there is no room, and names them below.

    Attributes:
        columns: all columns, in order.
        title: a line above; empty for none.
        notes: lines below.
        header: False for a table without headings.

    """

    columns: Sequence[Column]
    title: str = ""
    notes: Sequence[str] = ()
    header: bool = True
    rows: list[tuple[Cell, ...]] = field(default_factory=list)

    def add_row(self, *cells: Cell) -> None:
        """Append a row; one cell per column."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, the table with as many columns as fit, and the notes."""
        shown, short = self._fitting(options.max_width)
        if self.title:
            yield Text(self.title, style="bold")
        yield self._table(shown, options.max_width, short=short)
        yield from (Text(note, style="dim") for note in self._notes(shown, short=short))

    def _fitting(self, width: int) -> tuple[list[int], bool]:
        """Return the columns to show, and True if names must be short."""
        choices = [(shown, short) for shown in self._choices() for short in (False, True)]
        fitting = (
            choice for choice in choices if sum(self._least_widths(*choice)) + GAP * len(choice[0]) <= width + GAP
        )
        return next(fitting, choices[-1])

    def _choices(self) -> Iterator[list[int]]:
        """Yield the columns without the empty ones, then with fewer and fewer, down to those that always stay."""
        shown = [i for i, column in enumerate(self.columns) if column.importance is None or self._is_filled(i)]
        yield shown
        for least in sorted(c.importance for c in self.columns if c.importance is not None):
            shown = [i for i in shown if self.columns[i].importance != least]
            yield shown

    def _is_filled(self, index: int) -> bool:
        return any(str(row[index]) for row in self.rows)

    def _table(self, shown: Sequence[int], width: int, *, short: bool) -> Table:
        table = Table(box=None, show_header=self.header, header_style="dim", pad_edge=False, padding=(0, GAP, 0, 0))
        widths = self._widths(shown, width, short=short)
        for index, column_width in zip(shown, widths, strict=True):
            column = self.columns[index]
            justify: JustifyMethod = "right" if column.right else "left"
            table.add_column(Text(column.title), justify=justify, overflow="fold", width=column_width)
        for row in self.rows:
            cells = (_shown(row[index], short=short) for index in shown)
            table.add_row(*map(_broken, cells, widths))
        return table

    def _widths(self, shown: Sequence[int], width: int, *, short: bool) -> list[int]:
        """Return the width of each column: what it needs, and what it would like as far as there is room."""
        widths = self._least_widths(shown, short)
        room = width - sum(widths) - GAP * (len(shown) - 1)
        for position in sorted(range(len(shown)), key=lambda position: self.columns[shown[position]].wraps):
            more = min(self._most_width(shown[position], short) - widths[position], max(0, room))
            widths[position] += more
            room -= more
        while room < 0 and max(widths) > 1:  # sentences get narrow first; in a terminal of a few characters, all
            sentences = [p for p, index in enumerate(shown) if self.columns[index].wraps and widths[p] > NARROW]
            widths[max(sentences or range(len(shown)), key=widths.__getitem__)] -= 1
            room += 1
        return widths

    def _least_widths(self, shown: Sequence[int], short: bool) -> list[int]:
        """Return the widths in which no cell is cut, and headings and sentences break between words."""
        return [
            min(READABLE, self._most_width(index, short))
            if self.columns[index].wraps
            else max(self._cell_width(index, short), self._title_width(index, " "))
            for index in shown
        ]

    def _most_width(self, index: int, short: bool) -> int:
        return max(self._cell_width(index, short), self._title_width(index, None))

    def _cell_width(self, index: int, short: bool) -> int:
        return max((_shown(row[index], short=short).cell_len for row in self.rows), default=1)

    def _title_width(self, index: int, between: str | None) -> int:
        title = self.columns[index].title if self.header else ""
        return max(map(cell_len, title.split(between) if between else [title]), default=0)

    def _notes(self, shown: Sequence[int], *, short: bool) -> Iterator[str]:
        hidden = [c.title for i, c in enumerate(self.columns) if i not in shown and self._is_filled(i)]
        yield from self.notes
        if short:
            names = dict.fromkeys(cell for row in self.rows for cell in row if isinstance(cell, Name))
            yield ", ".join(f"{name.short} = {name.full}" for name in names if name.short != name.full)
        if hidden:
            yield f"--wide also shows: {', '.join(hidden)}"


def _broken(text: Text, width: int) -> Text:
    """Break a name that is longer than its column after a hyphen or the like, as far as it has any."""
    rest, lines = text.plain, []
    if " " in rest:
        return text
    while cell_len(rest) > width and (end := max(rest.rfind(each, 0, width) for each in BREAKS)) > 0:
        lines.append(rest[: end + 1])
        rest = rest[end + 1 :]
    return Text("\n".join([*lines, rest]), style=text.style) if lines else text


def _shown(cell: Cell, *, short: bool) -> Text:
    if isinstance(cell, Name):
        return Text(cell.short if short else cell.full)
    return cell if isinstance(cell, Text) else Text(cell)
