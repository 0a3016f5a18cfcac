"""Runs in progress: a lock that the process holds while it is alive, and a marker file that names the process.

Both are in ``<store>/running``. The system releases ``<run_id>.lock`` however the process ends, so the next command
notices a killed run, and several commands can share one suite. ``<run_id>.json`` is for people; it also decides where a
lock cannot, because locks may not work between machines and older versions had none.

Between machines the marker is a lease: its process touches the file every ``HEARTBEAT_S``. Once it was not touched for
``LEASE_S``, the process counts as gone and another machine may take the run over.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from benchsuite.errors import RunningElsewhereError as RunningElsewhereError
from benchsuite.errors import StoreError
from benchsuite.files import create_text_atomically, discard

# A process that checks a lock holds it for a moment; that must not make another process's attempt fail.
LOCK_TIMEOUT_S = 0.2

# A process id is reused only after thousands of others; a process that started this close to the marker's time is
# the marker's own.
SAME_START_S = 30.0

HEARTBEAT_S = 20.0
LEASE_S = 180.0
"""Longer than the minute for which a network file system may show another machine's file as it was before."""


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
    token: str = ""
    """Tells the markers of one run apart; empty for older versions, which did not touch their markers."""


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
    """Lock a run for the duration of the block.

    Raises:
        RunningElsewhereError: if another live process is making it.
        StoreError: if the folder cannot be written.
    """
    path = _marker_path(running_folder, run_id)
    with _locked(_lock_path(running_folder, run_id)) as locked:
        there = _read(path)
        if there and _may_be_alive(there, path, lock_is_held=False):
            raise RunningElsewhereError(_who(there, path))
        discard(path)
        marker = RunningMarker(
            run_id=run_id,
            pid=os.getpid(),
            host=socket.gethostname(),
            process_started_at=process_started_at(os.getpid()),
            started_at=datetime.now(UTC).isoformat(),
            locked=locked,
            token=secrets.token_hex(8),
        )
        try:
            # If several machines, each with its own locks, get here at the same time, only one succeeds.
            create_text_atomically(path, marker.model_dump_json() + "\n")
        except FileExistsError:
            raise RunningElsewhereError(run_id) from None
        try:
            with _touched(path):
                yield
        finally:
            # Another machine may have taken the run over, if this process was stopped for longer than its lease.
            if (there := _read(path)) is None or there.token == marker.token:
                discard(path)  # left behind in a store that has become read-only; without its lock it counts as dead


@contextmanager
def _touched(path: Path) -> Iterator[None]:
    """Touch a file regularly during the block: the sign of life for other machines."""
    ended = threading.Event()

    def touch() -> None:
        while not ended.wait(HEARTBEAT_S):
            with suppress(OSError):
                os.utime(path)  # without times: a file server then takes its own clock's

    thread = threading.Thread(target=touch, name="benchsuite-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def remove_dead_markers(running_folder: Path) -> int:
    """Delete the markers of processes that are known to be gone; return their number."""
    removed = 0
    for path in running_folder.glob("*.json"):
        with (
            suppress(OSError, RunningElsewhereError, StoreError),
            _locked(_lock_path(running_folder, path.stem)) as locked,
        ):
            there = _read(path)
            if locked and (there is None or not _may_be_alive(there, path, lock_is_held=False)):
                removed += discard(path)
    return removed


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
        marker = path.with_suffix(".json")
        there = _read(marker)
        raise RunningElsewhereError(_who(there, marker) if there else f"another process is at {path.stem}") from None
    except NotImplementedError:  # filelock: this file system has no locks; the marker alone decides
        pass
    except OSError as error:
        raise StoreError(f"cannot lock {path}: {error.strerror or error}; choose another store") from error
    ours = _file_number(path)
    try:
        yield lock.is_locked
    finally:
        # A process that counted as lost may end late: the file is then the lock of the process that took the run over.
        if ours is not None and _file_number(path) == ours:
            with suppress(OSError):  # Windows keeps files that are open
                # Deleted before it is released: a process that waits for it sees that, and creates a new one.
                path.unlink(missing_ok=True)
        lock.release()


def _file_number(path: Path) -> int | None:
    """Return the number that tells a file from one of the same name before or after it; None without a file."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _is_alive(running_folder: Path, run_id: str) -> bool:
    path = _marker_path(running_folder, run_id)
    marker = _read(path)
    held = _is_held(_lock_path(running_folder, run_id))
    # There is no marker between acquiring the lock and writing the marker, and after the run has ended.
    return _may_be_alive(marker, path, lock_is_held=held) if marker else held


def _may_be_alive(marker: RunningMarker, path: Path, *, lock_is_held: bool) -> bool:
    """Return True if the marker's process may still be running; also in doubt, and for another host within its lease.

    Args:
        marker: the content of the file.
        path: the file, whose time of change is the last sign of life.
        lock_is_held: True if a process holds the run's lock.

    """
    if marker.host != socket.gethostname():
        # An older version gave no signs of life: only a person can tell.
        return not marker.token or _silent_s(path) < LEASE_S
    return lock_is_held if marker.locked else process_is_alive(marker.pid, marker.process_started_at)


def _silent_s(path: Path) -> float:
    """Return the time since a file was touched, by the clock of the file system, which all machines share."""
    probe = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        touched = path.stat().st_mtime
        try:
            probe.touch()
            now = probe.stat().st_mtime
        except OSError:
            now = time.time()  # a folder that may only be read
        finally:
            discard(probe)
    except OSError:
        return 0.0  # in doubt
    return now - touched


def _who(marker: RunningMarker, path: Path) -> str:
    """Return who is at a run, for a person who waits for it."""
    began = f" since {marker.started_at}" if marker.started_at else ""
    process = f"process {marker.pid} on {marker.host} is at run {marker.run_id}{began}"
    if marker.host == socket.gethostname():
        return process
    if not marker.token:
        return f"{process}; if it is gone, delete {path}"
    return f"{process}, last sign of life {_silent_s(path):.0f} s ago; taken over after {LEASE_S:.0f} s without one"


def process_is_alive(pid: int, started_at: float | None) -> bool:
    """Return True if a process of this machine runs and is the one that was started then, if that is known."""
    import psutil

    began = process_started_at(pid)
    if began is None or started_at is None:
        return bool(0 <= pid < 2**31 and psutil.pid_exists(pid))
    return abs(began - started_at) < SAME_START_S


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
    except NotImplementedError:  # filelock: this file system has no locks, so none is held
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
