"""The plugin that mirrors runs to MLflow during training: at the start, after each epoch, and at the end.

Its time is not counted as training time, and an error never stops a run: the first one is shown as a warning, once,
with the command to type later.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchsuite.errors import MirrorBusyError, MirrorError
from benchsuite.records.mlflow.connection import out_of_date
from benchsuite.records.mlflow.labels import NO_LABELS, Labels
from benchsuite.records.mlflow.mirror import LiveRun, Mirror
from benchsuite.records.mlflow.points import MetricPoint, diagnostic_points, epoch_points, milliseconds
from benchsuite.records.mlflow.studies import upsert_study
from benchsuite.records.mlflow.sync import reconcile
from benchsuite.records.mlflow.system_metrics import Monitor, started_monitor
from benchsuite.records.model import DiagnosticValue, EpochMetrics, RunRecord, StepDiagnosticValue
from benchsuite.records.store import BrokenRecord, RecordStore, read_study
from benchsuite.registry.markers import hookimpl
from benchsuite.specs.models.track import RunSpec

logger = logging.getLogger("benchsuite.records.mlflow")

FLUSH_INTERVAL_S = 30.0
"""Metrics of a run in progress are at most this old in MLflow; each flush takes some hundredths of a second."""
LIVE_LOCK_TIMEOUT_S = 2.0
"""A run in progress waits no longer for other processes; metrics that it could not write go with the next flush."""
REOPEN_AFTER_S = 60.0
"""A store that could not be opened is tried again at the next run, but not before this time has passed."""


@dataclass
class _Buffer:
    live: LiveRun
    flushed_at: float
    monitor: Monitor | None = None
    points: list[MetricPoint] = field(default_factory=list)


class MlflowRecorder:
    """Mirror every run of a session into the session's tracking store; do nothing if it names none.

    Args:
        flush_interval_s: minimum time between two writes of a run in progress.
        warn: called with the one warning of a session; the logger ``benchsuite.records.mlflow`` if not given.
        clock: a monotonic clock in seconds.
        wall_clock: returns the time of the present event in seconds since 1970.
        labels: names of tracks and colours of rules.

    Attributes:
        mirrored: number of the session's records that MLflow has.
        labels: as given; may be replaced before a session.

    """

    def __init__(
        self,
        flush_interval_s: float = FLUSH_INTERVAL_S,
        warn: Callable[[str], None] = logger.warning,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        labels: Labels = NO_LABELS,
    ) -> None:
        self.mirrored = 0
        self.labels = labels
        self._flush_interval_s = flush_interval_s
        self._warn = warn
        self._clock = clock
        self._wall_clock = wall_clock
        self._uri: str | None = None
        self._store: RecordStore | None = None
        self._mirror: Mirror | None = None
        self._tried_at: float | None = None
        self._warned = False
        self._buffers: dict[str, _Buffer] = {}

    @hookimpl
    def benchsuite_session_started(self, runs: Sequence[object] | bool, context: Mapping[str, Any]) -> None:
        """Open the store, create it if needed, and close the runs that killed processes left running in it."""
        self._uri, self._store = context.get("tracking_uri"), RecordStore(Path(context["store"]))
        self._mirror, self._tried_at, self._warned = None, None, False
        self.mirrored = 0
        self._buffers.clear()
        if runs and self._uri:
            with self._at_no_risk():
                mirror = self._open()
                if mirror:
                    reconcile(mirror, self._store)

    @hookimpl
    def benchsuite_run_started(self, run_id: str, spec: RunSpec) -> None:
        """Create the run in MLflow with status running."""
        with self._at_no_risk():
            mirror = self._open()
            if mirror:
                live = mirror.start_live(run_id, spec, self._moment())
                monitor = started_monitor(live.mlflow_run_id, mirror.uri.raw)
                self._buffers[run_id] = _Buffer(live, self._clock(), monitor)

    @hookimpl
    def benchsuite_epoch_finished(self, run_id: str, metrics: EpochMetrics) -> None:
        """Buffer the epoch's numbers, and write the buffer if the last write was long enough ago."""
        self._add(run_id, epoch_points(metrics, milliseconds(self._moment())))

    @hookimpl
    def benchsuite_diagnostics_measured(
        self, run_id: str, values: Sequence[DiagnosticValue | StepDiagnosticValue]
    ) -> None:
        """Buffer values of diagnostics, as those of an epoch."""
        self._add(run_id, diagnostic_points(values, milliseconds(self._moment())))

    def _add(self, run_id: str, points: Iterable[MetricPoint]) -> None:
        buffer = self._buffers.get(run_id)
        if buffer is None or self._mirror is None:
            return
        buffer.points.extend(points)
        if self._clock() - buffer.flushed_at < self._flush_interval_s:
            return
        with self._at_no_risk(run_id):
            buffer.flushed_at = self._clock()
            try:
                self._mirror.log_live(buffer.live, buffer.points, LIVE_LOCK_TIMEOUT_S)
            except MirrorBusyError:
                return
            buffer.points.clear()

    @hookimpl
    def benchsuite_run_finished(self, record: RunRecord) -> None:
        """Complete the run in MLflow from its record, whatever was written before."""
        with self._at_no_risk(record.run_id):
            mirror = self._open()
            if mirror:
                buffer = self._buffers.get(record.run_id)
                if buffer and buffer.monitor:
                    buffer.monitor.finish()
                if buffer and buffer.live.written:
                    # Written with their original times, so that a curve over time does not go back at a flush.
                    with contextlib.suppress(MirrorError):
                        mirror.log_live(buffer.live, buffer.points)
                mirror.upsert(record, buffer.live if buffer else None)
                self.mirrored += 1
            self._buffers.pop(record.run_id, None)

    def study_finished(self, path: Path) -> None:
        """Mirror the record of a study."""
        with self._at_no_risk():
            mirror, record = self._open(), read_study(path)
            if isinstance(record, BrokenRecord):
                raise MirrorError(f"cannot read {path}: {record.reason}")
            if mirror:
                upsert_study(mirror, record)
                self.mirrored += 1

    @hookimpl
    def benchsuite_session_finished(self) -> None:
        """Write the buffers of runs that did not finish; ``reconcile`` closes the runs later."""
        for run_id, buffer in list(self._buffers.items()):
            with self._at_no_risk(run_id):
                if self._mirror:
                    self._mirror.log_live(buffer.live, buffer.points, LIVE_LOCK_TIMEOUT_S)
        self._buffers.clear()

    def warn_of_lost(self, reason: str) -> None:
        """Warn of a record that cannot be mirrored."""
        with self._at_no_risk():
            raise MirrorError(reason)

    def close_stale(self) -> None:
        """Close the runs that a killed command has left running."""
        with self._at_no_risk():
            if self._mirror and self._store:
                reconcile(self._mirror, self._store)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._wall_clock(), UTC)

    def _open(self) -> Mirror | None:
        if self._mirror is None and self._uri and self._store:
            if self._tried_at is not None and self._clock() - self._tried_at < REOPEN_AFTER_S:
                return None
            self._tried_at = self._clock()
            self._mirror = Mirror.open(self._uri, self._store.root, self.labels)
        return self._mirror

    @contextlib.contextmanager
    def _at_no_risk(self, run_id: str | None = None) -> Iterator[None]:
        """Catch every exception: warn about the first of a session and stop mirroring this run."""
        try:
            yield
        except Exception as error:
            if run_id is not None:
                self._buffers.pop(run_id, None)
            if not self._warned:
                self._warned = True
                self._warn(out_of_date(error))
