"""Messages between the command, the server that forks workers, and a worker."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchsuite.execution.workers.isolation import TorchState
from benchsuite.records.model import HardwareUsed, RunRecord
from benchsuite.specs.loading.resolve import SelectedRun


@dataclass(frozen=True)
class Request:
    """A run to make in a new worker; everything that the worker needs, so that a server can outlive a session.

    Attributes:
        selected: the run and its command.
        store: folder of records and checkpoints.
        data_root: folder of data sets.
        fresh: True to ignore the run's checkpoint.
        remake: True to make the run also if it has a final record.
        log: file that gets the worker's output, appended to what is there.
        torch_state: torch's global state, in the command before it loaded plugins.
        environment: environment variables of the command.
        folder: the command's working directory.
        at_once: number of runs that the command makes at the same time, for the record's notes.

    """

    selected: SelectedRun
    store: Path
    data_root: Path
    fresh: bool
    remake: bool
    log: Path
    torch_state: TorchState
    environment: dict[str, str]
    folder: Path
    at_once: int = 1


# --- from the server ---


@dataclass(frozen=True)
class Started:
    """A worker was forked for the earliest request without one; it leads a process group with the same number."""

    pid: int


@dataclass(frozen=True)
class Ended:
    """A worker has ended, with this exit status as ``os.waitpid`` gives it."""

    pid: int
    status: int


# --- from the worker ---


@dataclass(frozen=True)
class Event:
    """An event for the command's plugins."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Logged:
    """A record of a logger of the suite."""

    record: logging.LogRecord


@dataclass(frozen=True)
class OnDevice:
    """The device that the run uses, for the record in case that the worker is lost."""

    hardware: HardwareUsed


@dataclass(frozen=True)
class Deadline:
    """End of the time that the run has for what it is doing now.

    Attributes:
        at: time of ``time.perf_counter``.
        reason: why the run has timed out, if it goes on past that.

    """

    at: float
    reason: str


@dataclass(frozen=True)
class Outcome:
    """Result of a worker; the last message that it sends.

    Attributes:
        kind: ``made`` a record, ``found`` the record of another command, ``interrupted`` with a record, ``elsewhere``
            if another live process is making the run, or ``failed`` without a record.
        record: the record, if there is one; it is in the store by then.
        error: of ``failed``, such as a store that cannot be written.

    """

    kind: Literal["made", "found", "interrupted", "elsewhere", "failed"]
    record: RunRecord | None = None
    error: BaseException | None = None
