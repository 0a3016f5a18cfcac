"""A part's process: makes the part and writes each row to a file as soon as it is there."""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from benchsuite.acceptance.parts import PartRequest, described
from benchsuite.errors import PartFailedError, PartSkippedError
from benchsuite.process import own_process

if TYPE_CHECKING:
    from benchsuite.records.selftest import PartStatus, Row

ROWS = "rows.jsonl"
"""Name of the file of rows in the part's folder, a row per line; its last line says how the part ended."""

ORPHANED = 3
"""Exit status of a process whose command has ended."""


def main() -> int:
    """Make the part that the command asks for on standard input; end with the command."""
    own_process()
    request: PartRequest = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the command
    threading.Thread(target=_end_with, args=(sys.stdin.fileno(),), daemon=True).start()
    with (request.scratch / ROWS).open("w", encoding="utf-8") as out:

        def report(row: Row) -> None:
            _write({"row": row.model_dump(mode="json")})

        def _write(line: dict[str, object]) -> None:
            out.write(json.dumps(line) + "\n")
            out.flush()

        status, reason = _made(request, report)
        _write({"status": status, "reason": reason})
    # Not the interpreter's own end, at which threads and libraries of a device may hang: all rows are written.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _made(request: PartRequest, report: Callable[[Row], None]) -> tuple[PartStatus, str]:
    try:
        import_module(request.module).measure(request, report)
    except PartSkippedError as error:
        return "skipped", str(error)
    except PartFailedError as error:
        return "failed", str(error)
    except Exception as error:
        return "failed", described(error)
    return "passed", ""


def _end_with(pipe: int) -> None:
    """End this process when the command has ended, which closes the pipe."""
    # Not through sys.stdin: a forked process closes it first, and would wait forever for a lock that is held here.
    while os.read(pipe, 1024):
        pass
    os._exit(ORPHANED)
