"""Write records into a tracking store: an idempotent upsert of finished runs, and live runs during training."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import filelock

from benchsuite.errors import MirrorError
from benchsuite.files import write_text_atomically
from benchsuite.records.mlflow.connection import (
    LOCK_TIMEOUT_S,
    connect,
    exclusive,
    import_mlflow,
    reported,
    retried,
)
from benchsuite.records.mlflow.contents import attach_files, describe_run
from benchsuite.records.mlflow.database import open_database
from benchsuite.records.mlflow.experiments import Experiments
from benchsuite.records.mlflow.labels import NO_LABELS, Labels
from benchsuite.records.mlflow.mapping import (
    DIGEST_TAG,
    PARENT_TAG,
    RUN_COLOR_TAG,
    RUN_ID_TAG,
    STATUS_TAG,
    STORE_TAG,
    TRACK_TAG,
    mirror_digest,
    mlflow_status,
    run_name,
    spec_params,
    spec_tags,
)
from benchsuite.records.mlflow.points import MetricPoint, milliseconds, record_points
from benchsuite.records.mlflow.uris import TrackingUri
from benchsuite.records.model import RunRecord
from benchsuite.specs.models.track import RunSpec

if TYPE_CHECKING:
    from mlflow.entities import Experiment, Metric, Run
    from mlflow.store.entities.paged_list import PagedList
    from mlflow.tracking import MlflowClient

Item = TypeVar("Item")
Outcome = Literal["unchanged", "created", "replaced"]

METRICS_PER_BATCH = 1000  # MLflow rejects larger batches.
PAGE_SIZE = 1000


@dataclass
class LiveRun:
    """A run that is training: its run in MLflow and the metrics written there so far."""

    mlflow_run_id: str
    written: set[tuple[str, int]] = field(default_factory=set)
    """Key and step of every metric that is in MLflow."""
    trusted: bool = True
    """False after a failed write: MLflow's content is unknown then, and the run is written again at the end."""


def store_id(store: Path) -> str:
    """Return the id of a folder of records, created on first use and stored in ``<store>/.mirror-id``.

    On a shared server, equal run ids (they are hashes of specs) come from several stores; each store mirrors, replaces
    and reconciles only its own runs. The id of a read-only folder is derived from its path.
    """
    path = store / ".mirror-id"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(store / ".mirror-id.lock", timeout=LOCK_TIMEOUT_S):
                if not path.exists():
                    write_text_atomically(path, uuid.uuid4().hex[:16] + "\n")
        return path.read_text(encoding="utf-8").strip()[:64]
    except (OSError, filelock.Timeout):
        return hashlib.sha256(str(store.resolve()).encode()).hexdigest()[:16]


class Mirror:
    """The mirror of one folder of records in one tracking store.

    Every method may raise ``MirrorError``, and ``MirrorBusyError`` if other processes hold the store's lock.
    """

    def __init__(self, client: MlflowClient, uri: TrackingUri, store: Path, labels: Labels = NO_LABELS) -> None:
        self.client = client
        self.uri = uri
        self.store_id = store_id(store)
        self.labels = labels
        self.experiments = Experiments(client, uri, store, labels)

    @classmethod
    def open(cls, tracking_uri: str, store: Path, labels: Labels = NO_LABELS) -> Mirror:
        """Open a tracking store; create its database if it is local and does not exist yet, or is damaged.

        Args:
            tracking_uri: its address.
            store: folder of the records.
            labels: names of tracks and colours of rules.

        Raises:
            MirrorError: within seconds, if this fails; the message contains no password.

        """
        uri = TrackingUri(tracking_uri)
        if not tracking_uri:  # MLflow would use ./mlflow.db in the current folder
            raise MirrorError("no address of a tracking store given; nothing was mirrored")
        with reported(f"cannot open {uri}"):
            import_mlflow()  # takes 3.5 s, so it is done before other processes have to wait for the lock
            with exclusive(uri):
                client = retried(lambda: open_database(uri, store, connect))
            return cls(client, uri, store, labels)

    @contextlib.contextmanager
    def writing(self, doing: str, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
        """Hold the store's lock during the block, and turn its errors into ``MirrorError``."""
        with reported(f"cannot {doing} in {self.uri}"), exclusive(self.uri, lock_timeout_s):
            yield

    # --- finished runs -----------------------------------------------------------------------------------------------

    def upsert(self, record: RunRecord, live: LiveRun | None = None) -> Outcome:
        """Write this record's run to MLflow, exactly once, whatever MLflow had of it before.

        A run that was written live is completed. Every other run of the same id and store is deleted after the new one
        is complete, so that a crash in between leaves a duplicate and never a gap.
        """
        with self.writing(f"mirror run {record.run_id}"):
            segments = record.network.segments if record.network else None
            experiment_id = self.experiments.of_run(record.spec, segments)
            existing = self.runs(record.spec.track, f"tags.`{RUN_ID_TAG}` = '{record.run_id}'")

            def write() -> str:
                known = {run.info.run_id for run in existing}
                trusted = live is not None and live.trusted and live.mlflow_run_id in known
                if live is not None and trusted:
                    return self._write(record, live)
                begun = self._create_run(experiment_id, record.run_id, record.spec, record.started_at)
                return self._write(record, LiveRun(begun))

            return self.keep_one(existing, DIGEST_TAG, mirror_digest(record), write)

    def keep_one(self, existing: Sequence[Run], tag: str, digest: str, write: Callable[[], str]) -> Outcome:
        """Keep the run that has a digest, or write it, and delete all others but its children.

        The digest is tagged last, and others are deleted after that: a crash between leaves a duplicate, never a gap.

        Args:
            existing: runs of one record.
            tag: of the digest.
            digest: of the record's present content.
            write: writes the record and returns the id of its run.

        """
        current = next((run.info.run_id for run in existing if run.data.tags.get(tag) == digest), None)
        outcome: Outcome = "unchanged"
        if current is None:
            outcome = "replaced" if existing else "created"
            written = current = write()
            retried(lambda: self.client.set_tag(written, tag, digest))
        for run in existing:
            if current not in {run.info.run_id, run.data.tags.get(PARENT_TAG)}:
                self.delete(run.info.run_id)
        return outcome

    def _write(self, record: RunRecord, live: LiveRun) -> str:
        """Complete a run and return its id."""
        run_id = live.mlflow_run_id
        label = self.labels.rule(record.spec.rule)
        describe_run(self.client, run_id, record, label, with_board=not self.uri.is_server)
        self.log_live(live, record_points(record), locked=True)
        attach_files(self.client, run_id, record)
        status, end_ms = mlflow_status(record), milliseconds(record.ended_at)
        retried(lambda: self.client.set_terminated(run_id, status=status, end_time=end_ms))
        return run_id

    # --- runs that are training --------------------------------------------------------------------------------------

    def start_live(self, run_id: str, spec: RunSpec, started_at: datetime | None = None) -> LiveRun:
        """Create a run with status running; delete runs of the same id that a killed process left running."""
        from mlflow.entities import Param

        with self.writing(f"start run {run_id}"):
            experiment_id = self.experiments.of_run(spec, None)
            for stale in self.runs(spec.track, f"tags.`{RUN_ID_TAG}` = '{run_id}' and attributes.status = 'RUNNING'"):
                self.delete(stale.info.run_id)
            live = LiveRun(self._create_run(experiment_id, run_id, spec, started_at or datetime.now(UTC)))
            params = [Param(key, value) for key, value in spec_params(spec).items()]
            retried(lambda: self.client.log_batch(live.mlflow_run_id, params=params))
            return live

    def log_live(
        self,
        live: LiveRun,
        points: Iterable[MetricPoint],
        lock_timeout_s: float = LOCK_TIMEOUT_S,
        *,
        locked: bool = False,
    ) -> None:
        """Write the metrics that the run does not have yet, 1000 per call; ``locked`` if the caller holds the lock."""
        from mlflow.entities import Metric

        missing = [point for point in points if point.key_and_step not in live.written]
        with contextlib.nullcontext() if locked else self.writing("write metrics", lock_timeout_s):
            for first in range(0, len(missing), METRICS_PER_BATCH):
                batch = missing[first : first + METRICS_PER_BATCH]
                self._log_metrics(live, [Metric(p.key, p.value, p.timestamp_ms, p.step) for p in batch])
                live.written.update(point.key_and_step for point in batch)

    def _log_metrics(self, live: LiveRun, metrics: list[Metric]) -> None:
        try:
            retried(lambda: self.client.log_batch(live.mlflow_run_id, metrics=metrics))
        except BaseException:
            live.trusted = False
            raise

    def mark_interrupted(self, mlflow_run_id: str) -> None:
        """Close a run whose process has ended without a record."""
        with self.writing("close a killed run"):
            retried(lambda: self.client.set_tag(mlflow_run_id, STATUS_TAG, "interrupted"))
            retried(lambda: self.client.set_terminated(mlflow_run_id, status="KILLED"))

    # --- what is there -----------------------------------------------------------------------------------------------

    def runs(self, track: str | None = None, condition: str = "") -> list[Run]:
        """Return this store's runs of one track or of all tracks that match MLflow's filter ``condition``."""
        with reported(f"cannot read {self.uri}"):
            ids = [e.experiment_id for e in self._experiments() if track is None or e.name == track]
            condition = f"tags.`{STORE_TAG}` = '{self.store_id}'" + (f" and {condition}" if condition else "")
            if not ids:
                return []
            return all_pages(
                lambda token: self.client.search_runs(ids, condition, max_results=PAGE_SIZE, page_token=token)
            )

    def _experiments(self) -> list[Experiment]:
        condition = f"tags.`{TRACK_TAG}` != ''"
        return all_pages(
            lambda token: self.client.search_experiments(
                filter_string=condition, max_results=PAGE_SIZE, page_token=token
            )
        )

    def _create_run(self, experiment_id: str, run_id: str, spec: RunSpec, started_at: datetime) -> str:
        tags = {**spec_tags(run_id, spec), STORE_TAG: self.store_id}
        if label := self.labels.rule(spec.rule):
            tags[RUN_COLOR_TAG] = label.color
        run = retried(
            lambda: self.client.create_run(
                experiment_id, start_time=milliseconds(started_at), tags=tags, run_name=run_name(spec)
            )
        )
        return str(run.info.run_id)

    def delete(self, mlflow_run_id: str) -> None:
        """Delete a run; the caller holds the lock."""
        retried(lambda: self.client.delete_run(mlflow_run_id))


def all_pages(read: Callable[[str | None], PagedList[Item]]) -> list[Item]:
    """Return all items of a paged MLflow query."""
    found: list[Item] = []
    token: str | None = None
    while True:
        page = retried(partial(read, token))
        found.extend(page)
        token = page.token
        if not token:
            return found
