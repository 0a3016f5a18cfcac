"""Runs in progress: a lock that the process holds while it is alive, and a marker file that names the process.

Both are in ``<store>/running``. The system releases ``<run_id>.lock`` however the process ends, so the next command
notices a killed run, and several commands can share one suite. ``<run_id>.json`` is for people; it also decides where a
lock cannot, because locks may not work between machines and older versions had none.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from benchsuite.errors import RunningElsewhereError as RunningElsewhereError
from benchsuite.errors import StoreError
from benchsuite.files import create_text_atomically, discard

# A process that checks a lock holds it for a moment; that must not make a claim fail.
LOCK_TIMEOUT_S = 0.2

# A process id is reused only after thousands of others; a process that started this close to the marker's time is
# the marker's own.
SAME_START_S = 30.0


class RunningMarker(BaseModel):
    """Content of ``<store>/running/<run_id>.json``, which exists from before a run until its record is written."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    pid: int
    host: str
    process_started_at: float | None = None
    """Seconds since 1970; None if the system does not report it."""
    started_at: str | float | None = None
    locked: bool = False
    """True if the process holds the run's lock; False for older versions and for file systems without locks."""


def process_started_at(pid: int) -> float | None:
    """Return a process's start time in seconds since 1970; None if it has ended or the system does not report it."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None


def alive_run_ids(running_folder: Path) -> set[str]:
    """Return the ids of runs that a live process is working on."""
    found = {path.stem for suffix in (".json", ".lock") for path in running_folder.glob(f"*{suffix}")}
    return {run_id for run_id in found if _is_alive(running_folder, run_id)}


def release_lock(running_folder: Path, run_id: str) -> None:
    """Remove the marker and the lock of a process that was working on this run and is known to have ended."""
    for path in (_marker_path(running_folder, run_id), _lock_path(running_folder, run_id)):
        discard(path)


@contextmanager
def marked_running(running_folder: Path, run_id: str) -> Iterator[None]:
    """Claim a run for the duration of the block.

    Raises:
        RunningElsewhereError: if another live process is making it.
        StoreError: if the folder cannot be written.
    """
    path = _marker_path(running_folder, run_id)
    with _locked(_lock_path(running_folder, run_id)) as locked:
        there = _read(path)
        if there and _may_be_alive(there, lock_is_held=False):
            raise RunningElsewhereError(run_id)
        discard(path)
        marker = RunningMarker(
            run_id=run_id,
            pid=os.getpid(),
            host=socket.gethostname(),
            process_started_at=process_started_at(os.getpid()),
            started_at=datetime.now(UTC).isoformat(),
            locked=locked,
        )
        try:
            # If several machines, each with its own locks, get here at the same time, only one succeeds.
            create_text_atomically(path, marker.model_dump_json() + "\n")
        except FileExistsError:
            raise RunningElsewhereError(run_id) from None
        try:
            yield
        finally:
            # Left behind in a store that has become read-only: without its lock it counts as dead.
            discard(path)


def _marker_path(running_folder: Path, run_id: str) -> Path:
    return running_folder / f"{run_id}.json"


def _lock_path(running_folder: Path, run_id: str) -> Path:
    return running_folder / f"{run_id}.lock"


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a lock during the block; yields False if the file system has no locks."""
    from filelock import FileLock, Timeout

    # For everybody who may write in the store: another user may continue the run of one user's killed process.
    lock = FileLock(path, mode=0o666)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # the store may have been deleted since it was prepared
        lock.acquire(timeout=LOCK_TIMEOUT_S, poll_interval=LOCK_TIMEOUT_S / 10)
    except Timeout:
        raise RunningElsewhereError(path.stem) from None
    except NotImplementedError:  # filelock: this file system has no locks; the marker alone decides
        pass
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror or error}; choose another store") from error
    try:
        yield lock.is_locked
    finally:
        with suppress(OSError):  # Windows keeps files that are open
            # Deleted before it is released: a process that waits for it sees that it is gone and creates a new one.
            path.unlink(missing_ok=True)
        lock.release()


def _is_alive(running_folder: Path, run_id: str) -> bool:
    marker = _read(_marker_path(running_folder, run_id))
    held = _is_held(_lock_path(running_folder, run_id))
    # There is no marker between acquiring the lock and writing the marker, and after the run has ended.
    return _may_be_alive(marker, lock_is_held=held) if marker else held


def _may_be_alive(marker: RunningMarker, *, lock_is_held: bool) -> bool:
    """Return True if the marker's process may still be running; also in doubt and for other hosts."""
    if marker.host != socket.gethostname():
        return True
    return lock_is_held if marker.locked else _process_is_alive(marker)


def _process_is_alive(marker: RunningMarker) -> bool:
    import psutil

    began = process_started_at(marker.pid)
    if began is None or marker.process_started_at is None:
        return bool(0 <= marker.pid < 2**31 and psutil.pid_exists(marker.pid))
    return abs(began - marker.process_started_at) < SAME_START_S


def _is_held(lock: Path) -> bool:
    """Return True if a process holds the lock; a lock file that nobody holds is deleted."""
    from filelock import FileLock, Timeout

    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0, mode=0o666), suppress(OSError):
            lock.unlink(missing_ok=True)
    except Timeout:
        return True
    except NotImplementedError:
        return False
    except OSError:
        return True  # another user's: in doubt
    return False


def _read(path: Path) -> RunningMarker | None:
    """Return a marker; None if it does not exist or is damaged."""
    try:
        return RunningMarker.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
