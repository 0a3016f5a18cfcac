"""The mirror's process: imports MLflow at once, and follows the events of a command's runs."""

from __future__ import annotations

import logging
import os
import pickle
import queue
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from logging.handlers import QueueHandler
from pathlib import Path
from typing import IO, Any

from benchsuite.errors import MirrorError
from benchsuite.process import stdout_to_stderr
from benchsuite.records.mlflow.connection import import_mlflow, reported
from benchsuite.records.mlflow.labels import KnownLabels
from benchsuite.records.mlflow.plugin import MlflowRecorder
from benchsuite.records.mlflow.process import Event, Handled, Logged, Warned
from benchsuite.records.reading import BrokenRecord, read_record
from benchsuite.specs.models.track import RunSpec

NICENESS = 5
"""The runs come first where all cores are in use: the mirror then gets a third of what a run gets."""


class Follower:
    """Handler of a command's events, one batch after the other.

    Args:
        out: to the command.

    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._now = 0.0
        self._in_session = False
        self._recorder = MlflowRecorder(warn=lambda text: self._reply(Warned(text)), wall_clock=lambda: self._now)

    def put_nowait(self, record: logging.LogRecord) -> None:
        """Send a log record; named as ``QueueHandler`` expects."""
        self._reply(Logged(record))

    def handle(self, events: Iterable[Event]) -> None:
        """Handle all events that are there, and tell the command how far the mirror is."""
        batch = list(events)
        for event in without_finished(batch):
            self._now = event.at_s
            # In the recorder, not in pluggy: it catches every error of its own.
            getattr(self, event.name)(**event.arguments)
        self._reply(Handled(len(batch), self._recorder.mirrored))

    def close(self) -> None:
        """Write what is left of a session that was cut short because its command was killed."""
        if self._in_session:
            self._recorder.benchsuite_session_finished()
            self._recorder.close_stale()

    def session_started(
        self, store: Path, tracking_uri: str, folder: Path, environment: Mapping[str, str], labels: KnownLabels
    ) -> None:
        """Begin a session with the command's environment, which may name users and servers of MLflow."""
        os.environ.update(environment)
        with suppress(OSError):  # an address may be relative to it
            os.chdir(folder)
        self._in_session = True
        self._recorder.labels = labels
        self._recorder.benchsuite_session_started(True, {"store": store, "tracking_uri": tracking_uri})

    def run_started(self, run_id: str, spec: RunSpec) -> None:
        """Create the run in MLflow."""
        self._recorder.benchsuite_run_started(run_id, spec)

    def epoch_finished(self, run_id: str, metrics: Any) -> None:
        """Buffer the epoch's numbers or write them."""
        self._recorder.benchsuite_epoch_finished(run_id, metrics)

    def diagnostics_measured(self, run_id: str, values: Any) -> None:
        """Buffer the diagnostics' values or write them."""
        self._recorder.benchsuite_diagnostics_measured(run_id, values)

    def run_finished(self, path: Path) -> None:
        """Mirror the record of a run that has ended."""
        record = read_record(path)
        if isinstance(record, BrokenRecord):
            self._recorder.warn_of_lost(f"cannot read {path}: {record.reason}")
        else:
            self._recorder.benchsuite_run_finished(record)

    def study_finished(self, path: Path) -> None:
        """Mirror the record of a study."""
        self._recorder.study_finished(path)

    def session_finished(self) -> None:
        """Write the buffers of runs that did not finish."""
        self._in_session = False
        self._recorder.benchsuite_session_finished()

    def _reply(self, message: Handled | Warned | Logged) -> None:
        with suppress(OSError):  # the command was killed
            pickle.dump(message, self._out)
            self._out.flush()


def without_finished(events: list[Event]) -> list[Event]:
    """Leave out the beginnings and epochs of runs that have ended meanwhile: their records hold all of it."""
    ended = {event.arguments["path"].stem for event in events if event.name == "run_finished"}
    live = ("run_started", "epoch_finished", "diagnostics_measured")
    return [event for event in events if not (event.name in live and event.arguments["run_id"] in ended)]


def main() -> int:
    """Follow the command until it closes the pipe or ends."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    with os.fdopen(os.dup(1), "wb") as out, stdout_to_stderr():
        follower = Follower(out)
        logging.getLogger("benchsuite").addHandler(QueueHandler(follower))  # type: ignore[arg-type] # needs put_nowait
        inbox: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(sys.stdin.buffer, inbox), daemon=True).start()
        with suppress(MirrorError), reported("cannot import MLflow"):  # the recorder meets it again, and warns
            import_mlflow()
        while events := _take_all(inbox):
            follower.handle(events)
        follower.close()
    return 0


def _read(pipe: IO[bytes], inbox: queue.SimpleQueue[Event | None]) -> None:
    with suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            inbox.put(pickle.load(pipe))  # noqa: S301 - from the command
    inbox.put(None)


def _take_all(inbox: queue.SimpleQueue[Event | None]) -> list[Event]:
    """Wait for events and return all that are there; empty at the end."""
    events: list[Event] = []
    event = inbox.get()
    while event is not None:
        events.append(event)
        if inbox.empty():
            return events
        event = inbox.get()
    if events:
        inbox.put(None)  # for the next call
    return events
