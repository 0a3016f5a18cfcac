"""Commands to type, shown so that they can be copied from a narrow terminal."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from rich.text import Text

JOINED = " && "


@dataclass(frozen=True)
class CommandLine:
    """A command on a line of its own.

    Attributes:
        command: the command, or several joined by ``&&``.
        indent: spaces before it.

    """

    command: str
    indent: int = 0

    @property
    def text(self) -> Text:
        """The command on one line."""
        return Text(" " * self.indent + self.command)

    def broken(self, width: int) -> Text:
        r"""Return the command on lines of at most ``width`` columns, joined by ``\`` as the shell reads it."""
        lines = []
        commands = self.command.split(JOINED)
        for number, command in enumerate(commands):
            line = " " * self.indent
            for word in [*_words(command), *(["&&"] if number < len(commands) - 1 else [])]:
                if line.strip() and len(line) + len(word) + len("  \\") > width:
                    lines.append(f"{line} \\")
                    line = " " * (self.indent + 4)
                line += word if not line.strip() else f" {word}"
            lines.append(line)
        return Text("\n".join(lines))


def _words(command: str) -> list[str]:
    """Return the words as they are written, quotes included; what is no command stays whole."""
    try:
        return shlex.split(command, posix=False)
    except ValueError:
        return [command]
