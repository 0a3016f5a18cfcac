"""Show results as plain text, as HTML in notebooks, and in colour on the terminal, from the same parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

Part = Table | Text | str
"""A table, a line with colours, or a plain line."""

WIDTH = 200
"""Most characters per line of a table as text; a pipe has no width of its own."""

HTML = '<pre style="white-space:pre;overflow-x:auto;line-height:normal;font-family:monospace">{code}</pre>'


class Displayed(ABC):
    """Base class of results that can be shown as a table; ``parts`` returns its content."""

    @abstractmethod
    def parts(self) -> Sequence[Part]:
        """Return the parts that the command prints, in order."""

    def table(self) -> str:
        """Return the text that the command prints."""
        return as_text(self.parts())

    def __str__(self) -> str:
        """Return the same, for ``print``."""
        return self.table()

    def _repr_html_(self) -> str:
        """Return the same for a notebook."""
        return as_html(self.parts())


def print_parts(console: Console, parts: Iterable[Part]) -> None:
    """Print parts on a console; long lines are left to the terminal to wrap."""
    for part in parts:
        if isinstance(part, Table):
            console.print(part)
        else:
            console.print(part, markup=False, soft_wrap=True)


def as_text(parts: Iterable[Part]) -> str:
    """Return parts as plain text without colours and without spaces at the ends of lines."""
    stream = StringIO()
    print_parts(Console(file=stream, width=WIDTH, soft_wrap=True, color_system=None, highlight=False), parts)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def as_html(parts: Iterable[Part]) -> str:
    """Return parts as HTML with the command's colours."""
    console = Console(file=StringIO(), width=WIDTH, record=True, highlight=False)
    print_parts(console, parts)
    return console.export_html(inline_styles=True, code_format=HTML)


def counted(count: int, noun: str) -> str:
    """Return ``1 run`` or ``2 runs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
