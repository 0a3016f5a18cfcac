"""Marks of runs in progress, so that a killed run is noticed by the next command instead of vanishing."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from benchsuite.record.store import RecordStore

# A mark is one short write; anything older that cannot be read is damaged.
HALF_WRITTEN_FOR_S = 10.0


class RunningElsewhereError(Exception):
    """Another live process is at this run."""


@contextmanager
def marked_running(store: RecordStore, run_id: str) -> Iterator[None]:
    """Claim a run for the length of the block; a process that is killed leaves its mark behind.

    Raises:
        RunningElsewhereError: if another live process has claimed it.

    """
    path = store.running_folder / f"{run_id}.json"
    if is_running_elsewhere(store, run_id):
        raise RunningElsewhereError(run_id)
    content = {
        "run_id": run_id, "pid": os.getpid(), "host": socket.gethostname(),
        "process_started_at": process_start(os.getpid()), "started_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
    try:
        # Exclusive creation: of several processes that get here at once, one wins.
        with path.open("x", encoding="utf-8") as stream:
            stream.write(json.dumps(content) + "\n")
    except FileExistsError:
        raise RunningElsewhereError(run_id) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def is_running_elsewhere(store: RecordStore, run_id: str) -> bool:
    """Return whether another live process is at this run now; marks of the dead are removed."""
    path = store.running_folder / f"{run_id}.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        pid, host = int(content["pid"]), str(content["host"])
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        # Just created and not yet written by another process, or damaged: young ones are given the benefit.
        return _age_s(path) < HALF_WRITTEN_FOR_S
    if host != socket.gethostname():
        return True
    if pid != os.getpid() and process_start(pid) is not None and process_start(pid) == content["process_started_at"]:
        return True
    path.unlink(missing_ok=True)
    return False


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


def process_start(pid: int) -> float | None:
    """Return when a process started, in clock ticks since boot, or None if there is none (or no /proc).

    Tells a process from a later one that was given the same number.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return float(fields[19])
