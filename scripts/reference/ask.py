"""Ask the command, in this process, for what it prints with ``--json``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from typer.testing import CliRunner

from benchsuite.cli.main import app


def ask(*arguments: str) -> Any:
    """Return what the command prints as JSON.

    Raises:
        RuntimeError: if it fails.

    """
    done = CliRunner().invoke(app, list(arguments))
    if done.exit_code:
        raise RuntimeError(f"benchsuite {' '.join(arguments)}: exit code {done.exit_code}\n{done.output}")
    return json.loads(done.stdout)


def one_line(text: str) -> str:
    """Return a text for a cell of a table: one line, code in single backticks, no bar that would end the cell."""
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
