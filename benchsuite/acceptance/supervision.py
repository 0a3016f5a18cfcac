"""Make the parts of the self-test one after the other, each in a process that is killed at its deadline."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
from pydantic import TypeAdapter

from benchsuite.acceptance.part_process import ROWS
from benchsuite.acceptance.parts import Part, PartRequest
from benchsuite.execution.helper_processes import BOOT
from benchsuite.records.absolute_paths import shorten_paths
from benchsuite.records.selftest import PartStatus, Row, SelftestPart

PROCESS = "benchsuite.acceptance.part_process"
LOG = "output.log"
"""Name of the file that takes all other output of a part's process."""

KILL_S = 1.0
"""Seconds to wait for a killed process: one that hangs in a driver does not end, and is then left behind."""

EARLIER_SHARE = 0.15
"""Share of its time before the end of which a part is told to be done, so that only what hangs is killed."""

_ROW: TypeAdapter[Row] = TypeAdapter(Row)


def make_parts(parts: Sequence[Part], device: str, seconds: float) -> Iterator[SelftestPart]:
    """Yield every part's result as it ends. Whatever a part does, those after it are made.

    After Ctrl-C the part in progress is the last; it is ``interrupted`` and has its rows.

    Args:
        parts: in order.
        device: torch's name of the device.
        seconds: time of all parts together.

    """
    end = time.time() + seconds - KILL_S
    earlier: list[Row] = []
    for number, part in enumerate(parts):
        if not part.module:
            yield SelftestPart(name=part.name, status="skipped", reason=part.left_out, given_s=0, took_s=0)
            continue
        share = part.weight / sum(other.weight for other in parts[number:])
        made = _make(part, device, max(0.0, end - time.time()) * share, tuple(earlier))
        earlier += made.rows
        yield made
        if made.status == "interrupted":
            return


def _make(part: Part, device: str, given_s: float, earlier: tuple[Row, ...]) -> SelftestPart:
    # Files of a process that could not be killed may stay behind.
    with tempfile.TemporaryDirectory(prefix="benchsuite-selftest-", ignore_cleanup_errors=True) as folder:
        began = time.time()
        scratch = Path(folder)
        planned = began + given_s * (1 - EARLIER_SHARE)
        request = PartRequest(part.name, part.module, device, planned, scratch, earlier)
        status, reason = _run(request, began + given_s)
        rows, told = _results(scratch / ROWS)
        if status == "passed":
            status, reason = told or ("crashed", _last_words(scratch / LOG, reason))
        return SelftestPart(
            name=part.name,
            status=status,
            reason=shorten_paths(reason),
            given_s=round(given_s, 3),
            took_s=round(time.time() - began, 3),
            rows=rows,
        )


def _run(request: PartRequest, deadline: float) -> tuple[PartStatus, str]:
    """Run a part's process and return how it ended: ``passed`` if by itself, with its exit status."""
    process: subprocess.Popen[bytes] | None = None
    with (request.scratch / LOG).open("wb") as log:
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", BOOT, json.dumps(sys.path), PROCESS],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's signals are for the command alone, which ends its parts
            )
            assert process.stdin is not None  # noqa: S101 - it was started with a pipe
            with suppress(BrokenPipeError):
                pickle.dump(request, process.stdin)
                process.stdin.flush()
            code = process.wait(max(0.0, deadline - time.time()))
        except subprocess.TimeoutExpired:
            return "timed_out", "killed at its deadline; rows until then are kept"
        except KeyboardInterrupt:
            return "interrupted", "the self-test was interrupted; rows until then are kept"
        finally:
            if process is not None:
                _kill(process)
    return "passed", f"the process ended with {_named(code)}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that it has started, and wait for a moment."""
    started: list[psutil.Process] = []
    with suppress(psutil.Error):
        started = psutil.Process(process.pid).children(recursive=True)
    if hasattr(os, "killpg"):
        with suppress(OSError):
            # The session's other processes too, whose parent may have ended.
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    for child in started:
        with suppress(psutil.Error):
            child.kill()
    with suppress(BrokenPipeError):
        if process.stdin is not None:
            process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(KILL_S)


def _results(path: Path) -> tuple[tuple[Row, ...], tuple[PartStatus, str] | None]:
    """Return the rows that a part has written, and how it ended; None if it did not say so."""
    rows: list[Row] = []
    told: tuple[PartStatus, str] | None = None
    with suppress(FileNotFoundError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):  # the last line of a process that was killed in it
                content = json.loads(line)
                if "row" in content:
                    rows.append(_ROW.validate_python(content["row"]))
                else:
                    told = content["status"], content["reason"]
    return tuple(rows), told


def _last_words(log: Path, ending: str) -> str:
    """Return how a process ended and the last line that it wrote."""
    with suppress(OSError):
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"{ending}: {lines[-1][:300]}" if lines else ending
    return ending


def _named(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
