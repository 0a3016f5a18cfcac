"""Show results as plain text, as HTML in notebooks, and in colour on the terminal, from the same parts."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from benchsuite.api.command_lines import CommandLine
from benchsuite.api.fitting import FittedTable

Part = FittedTable | CommandLine | Text | str
"""A table, a command to type, a line with colours, or a plain line."""

WIDTH = 200
"""Most characters per line of a table as text in Python and in notebooks."""

UNLIMITED = 10_000
"""Width of a pipe, which has none of its own, and of a terminal with ``--wide``: nothing is left out or wrapped."""

HTML = '<pre style="white-space:pre;overflow-x:auto;line-height:normal;font-family:monospace">{code}</pre>'


WORD = re.compile(r"\S+\s*")
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys instead of showing them: control characters, and those that reverse the order."""


def printable(text: str) -> str:
    """Return a text with each character that a terminal would obey replaced by a visible one."""
    return UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


class SafeConsole(Console):
    """A console that shows what specs, records and file names say, and obeys none of it."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the segments of a part, without control characters except rich's own."""
        for segment in super().render(renderable, options):
            text, style, control = segment
            yield segment if control or not UNPRINTABLE.search(text) else Segment(printable(text), style)


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
    """Print parts on a console: on a terminal, long lines break between words; elsewhere they stay whole."""
    for part in parts:
        if isinstance(part, FittedTable):
            console.print(part)
        elif isinstance(part, CommandLine):
            console.print(part.broken(console.width) if console.is_terminal else part.text, soft_wrap=True)
        else:
            text = Text(part) if isinstance(part, str) else part
            # rich wraps without the indent of the line, and would break a path that is longer than the line.
            console.print(broken_between_words(text, console.width) if console.is_terminal else text, soft_wrap=True)


def broken_between_words(text: Text, width: int) -> Text:
    """Return a text with line breaks between words, further lines indented as the first or by two."""
    broken = []
    for line in text.split("\n", allow_blank=True):
        indent = len(line.plain) - len(line.plain.lstrip())
        hanging = min(indent or 2, width // 2)
        breaks, column = [], indent
        for word in WORD.finditer(line.plain, indent):
            if column + cell_len(word[0].rstrip()) > width and column > indent:
                breaks.append(word.start())
                column = hanging
            column += cell_len(word[0])
        for number, piece in enumerate(line.divide(breaks)):
            piece.rstrip()
            piece.pad_left(hanging if number else 0)
            broken.append(piece)
    return Text("\n").join(broken)


def as_text(parts: Iterable[Part]) -> str:
    """Return parts as plain text without colours and without spaces at the ends of lines."""
    stream = StringIO()
    print_parts(SafeConsole(file=stream, width=WIDTH, soft_wrap=True, color_system=None, highlight=False), parts)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def as_html(parts: Iterable[Part]) -> str:
    """Return parts as HTML with the command's colours."""
    console = SafeConsole(file=StringIO(), width=WIDTH, record=True, highlight=False)
    print_parts(console, parts)
    return console.export_html(inline_styles=True, code_format=HTML)


def counted(count: int, noun: str) -> str:
    """Return ``1 run`` or ``2 runs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
