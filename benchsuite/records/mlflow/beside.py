"""The plugin that passes a session's events on to the mirror's process, and waits for it when the runs are done."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import MirrorError
from benchsuite.records.mlflow.connection import out_of_date
from benchsuite.records.mlflow.labels import NO_LABELS, KnownLabels
from benchsuite.records.mlflow.process import Gone, Handled, Logged, MirrorProcess, Warned, forget_process
from benchsuite.records.mlflow.uris import TrackingUri
from benchsuite.records.model import DiagnosticValue, EpochMetrics, RunRecord, StepDiagnosticValue
from benchsuite.registry.markers import hookimpl
from benchsuite.specs.models.track import RunSpec

NOTICEABLE_S = 1.0
"""A wait at the end that is longer is explained."""
STALLED_AFTER_S = 240.0
"""Longest wait at the end for one sign of life: longer than any wait of the process for a lock or a server."""


@dataclass(frozen=True)
class MirrorReport:
    """Result of a session's mirror: the number of records that MLflow has of it, and where they are."""

    mirrored: int
    place: str


class RecorderBeside:
    """Mirror every run of a session in a process beside it; no method but ``finish`` ever waits.

    Args:
        process: the mirror's.
        warn: called with the one warning of a session.
        labels: names of tracks and colours of rules.

    """

    def __init__(self, process: MirrorProcess, warn: Callable[[str], None], labels: KnownLabels = NO_LABELS) -> None:
        self._labels = labels
        self._process = process
        self._warn = warn
        self._uri: str | None = None
        self._mirrored = 0
        self._warned = False

    @hookimpl
    def benchsuite_session_started(self, runs: Sequence[object], context: Mapping[str, Any]) -> None:
        """Have the store opened and created if needed."""
        if not runs or not context.get("tracking_uri"):
            return
        self._uri = context["tracking_uri"]
        self._send(
            "session_started",
            store=context["store"],
            tracking_uri=self._uri,
            folder=Path.cwd(),
            environment=dict(os.environ),
            labels=self._labels,
        )

    @hookimpl
    def benchsuite_run_started(self, run_id: str, spec: RunSpec) -> None:
        """Have the run created with status running."""
        self._send("run_started", run_id=run_id, spec=spec)

    @hookimpl
    def benchsuite_epoch_finished(self, run_id: str, metrics: EpochMetrics) -> None:
        """Pass on the epoch's numbers."""
        self._send("epoch_finished", run_id=run_id, metrics=metrics)

    @hookimpl
    def benchsuite_diagnostics_measured(
        self, run_id: str, values: Sequence[DiagnosticValue | StepDiagnosticValue]
    ) -> None:
        """Pass on the diagnostics' values."""
        self._send("diagnostics_measured", run_id=run_id, values=values)

    @hookimpl
    def benchsuite_run_finished(self, record: RunRecord, path: Path) -> None:
        """Have the record mirrored from its file."""
        self._send("run_finished", path=path)

    def study_finished(self, path: Path) -> None:
        """Have a study's record mirrored from its file."""
        self._send("study_finished", path=path)

    @hookimpl
    def benchsuite_session_finished(self) -> None:
        """Have the rest written; ``finish`` waits for it."""
        self._send("session_finished")

    def finish(self, explain: Callable[[str], None] = lambda text: None) -> MirrorReport | None:
        """Wait until MLflow has all of the session; return None if the session has no mirror.

        Args:
            explain: called once, with what is waited for, if that takes longer than a moment.

        Raises:
            KeyboardInterrupt: if interrupted; the process is ended, and the warning says what to type.

        """
        if self._uri is None:
            return None
        began = progressed = time.monotonic()
        explained = False
        try:
            while self._process.unhandled and self._uri is not None:
                progressed = time.monotonic() if self._take(NOTICEABLE_S) else progressed
                if not explained and time.monotonic() - began > NOTICEABLE_S:
                    explained = True
                    explain("waiting for MLflow to catch up (Ctrl-C leaves the rest to `benchsuite sync`)")
                if time.monotonic() - progressed > STALLED_AFTER_S:
                    self._give_up(f"its process did nothing for {STALLED_AFTER_S:.0f} s")
        except KeyboardInterrupt:
            self._give_up("interrupted before it had all")
            raise
        self._take_all()
        return MirrorReport(self._mirrored, _place(self._uri)) if self._uri is not None else None

    def _send(self, name: str, **arguments: Any) -> None:
        if self._uri is not None:
            self._process.send(name, **arguments)
            self._take_all()

    def _take_all(self) -> None:
        while self._uri is not None and self._take(0.0):
            pass

    def _take(self, wait_s: float) -> bool:
        """Act on a reply of the process; return False if none comes within ``wait_s``."""
        reply = self._process.receive(wait_s)
        match reply:
            case Handled(mirrored=mirrored):
                self._mirrored = mirrored
            case Warned(message):
                self._warn_once(message)
            case Logged(record):
                logging.getLogger(record.name).handle(record)
            case Gone(status):
                self._give_up(f"its process ended with {status}")
        return reply is not None

    def _give_up(self, reason: str) -> None:
        """Warn, and go on without a mirror; the next session has another process."""
        self._uri = None
        self._warn_once(out_of_date(MirrorError(reason)))
        forget_process()

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(message)


def _place(tracking_uri: str) -> str:
    uri = TrackingUri(tracking_uri)
    return str(uri.sqlite_path or uri)
