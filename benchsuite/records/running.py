"""Which runs are being made now: the markers that processes leave in ``<store>/running`` while they work.

A killed run is so noticed by the next command instead of vanishing, and several commands can share one suite.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from benchsuite.errors import RunningElsewhereError as RunningElsewhereError

# A marker is one short write; an older one that cannot be read is damaged.
HALF_WRITTEN_FOR_S = 10.0

# A process id is given anew after thousands of others; one that began this near to the marker's is the marker's own.
SAME_START_S = 30.0


class RunningMarker(BaseModel):
    """What a process writes to ``<store>/running/<run_id>.json`` before a run and removes after its record."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    pid: int
    host: str
    process_started_at: float | None = None
    """Seconds since 1970, from ``process_started_at``; None where the system does not tell."""
    started_at: str | float | None = None


def process_started_at(pid: int) -> float | None:
    """Return when a process began, in seconds since 1970; None if it is gone or the system does not tell (no /proc)."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
        ticks = float(after_name.split()[19])
        boot = next(
            float(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()
            if line.startswith("btime ")
        )
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return boot + ticks / os.sysconf("SC_CLK_TCK")


def is_alive(marker: RunningMarker) -> bool:
    """Whether the marker's process may still be running; in doubt, and on other hosts, yes."""
    if marker.host != socket.gethostname() or os.name == "nt":  # on Windows, os.kill(pid, 0) would end the process
        return True
    try:
        os.kill(marker.pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    began = process_started_at(marker.pid)
    if began is None or marker.process_started_at is None:
        return True
    return abs(began - marker.process_started_at) < SAME_START_S


def marker_path(running_folder: Path, run_id: str) -> Path:
    """Return where the process that makes a run says so."""
    return running_folder / f"{run_id}.json"


def alive_run_ids(running_folder: Path) -> set[str]:
    """Return the ids of runs that a live process is at."""
    return {path.stem for path in running_folder.glob("*.json") if _marker_is_alive(path)}


def _marker_is_alive(path: Path) -> bool:
    try:
        return is_alive(RunningMarker.model_validate_json(path.read_bytes()))
    except FileNotFoundError:
        return False  # the run ended just now
    except (OSError, ValidationError):
        return _age_s(path) < HALF_WRITTEN_FOR_S


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return float("inf")


@contextmanager
def marked_running(running_folder: Path, run_id: str) -> Iterator[None]:
    """Claim a run for the length of the block; a process that is killed leaves its marker behind.

    Raises:
        RunningElsewhereError: if another live process has claimed it.
    """
    path = marker_path(running_folder, run_id)
    if _marker_is_alive(path):
        raise RunningElsewhereError(run_id)
    path.unlink(missing_ok=True)
    marker = RunningMarker(
        run_id=run_id,
        pid=os.getpid(),
        host=socket.gethostname(),
        process_started_at=process_started_at(os.getpid()),
        started_at=datetime.now(UTC).isoformat(),
    )
    try:
        # Exclusive creation: of several processes that get here at once, one wins.
        with path.open("x", encoding="utf-8") as stream:
            stream.write(marker.model_dump_json() + "\n")
    except FileExistsError:
        raise RunningElsewhereError(run_id) from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
