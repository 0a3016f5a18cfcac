"""Write records into a tracking store: an idempotent upsert of finished runs, and live runs during training."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import unquote, urlsplit

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
from benchsuite.records.mlflow.database import open_database
from benchsuite.records.mlflow.mapping import (
    DIGEST_TAG,
    RUN_ID_TAG,
    STATUS_TAG,
    STORE_TAG,
    TRACK_TAG,
    MetricPoint,
    milliseconds,
    mirror_digest,
    mlflow_status,
    record_points,
    record_tags,
    run_name,
    spec_params,
    spec_tags,
)
from benchsuite.records.mlflow.uris import TrackingUri, default_artifact_root, default_tracking_uri
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
DATASET_DIGEST_CHARACTERS = 36  # MLflow 3.17 rejects longer ones.


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

    def __init__(self, client: MlflowClient, uri: TrackingUri, store: Path) -> None:
        self.client = client
        self.uri = uri
        self.store = store
        self.store_id = store_id(store)
        self._is_own_database = uri.raw == default_tracking_uri(store)

    @classmethod
    def open(cls, tracking_uri: str, store: Path) -> Mirror:
        """Open a tracking store; create its database if it is local and does not exist yet, or is damaged.

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
            return cls(client, uri, store)

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
            experiment_id = self.experiment_id(record.spec.track)
            existing = self.runs(record.spec.track, f"tags.`{RUN_ID_TAG}` = '{record.run_id}'")
            digest = mirror_digest(record)
            current = next((run.info.run_id for run in existing if run.data.tags.get(DIGEST_TAG) == digest), None)
            outcome: Outcome = "unchanged"
            if current is None:
                outcome = "replaced" if existing else "created"
                if live is None or not live.trusted or live.mlflow_run_id not in {r.info.run_id for r in existing}:
                    live = LiveRun(self._create_run(experiment_id, record.run_id, record.spec, record.started_at))
                self._write(record, live, digest)
                current = live.mlflow_run_id
            for run in existing:
                if run.info.run_id != current:
                    self.delete(run.info.run_id)
            return outcome

    def _write(self, record: RunRecord, live: LiveRun, digest: str) -> None:
        from mlflow.entities import Param, RunTag

        run_id = live.mlflow_run_id
        tags = [RunTag(key, value) for key, value in record_tags(record).items()]
        params = [Param(key, value) for key, value in spec_params(record.spec).items()]
        retried(lambda: self.client.log_batch(run_id, params=params, tags=tags))
        self.log_live(live, record_points(record), locked=True)
        self._log_dataset(record, run_id)
        retried(lambda: self.client.log_text(run_id, record.spec.model_dump_json(indent=1) + "\n", "spec.json"))
        retried(lambda: self.client.log_text(run_id, record.model_dump_json(indent=1) + "\n", "record.json"))
        status, end_ms = mlflow_status(record), milliseconds(record.ended_at)
        retried(lambda: self.client.set_terminated(run_id, status=status, end_time=end_ms))
        retried(lambda: self.client.set_tag(run_id, DIGEST_TAG, digest))

    def _log_dataset(self, record: RunRecord, run_id: str) -> None:
        from mlflow.entities import Dataset, DatasetInput

        if record.data is not None:
            spec = record.spec.dataset
            digest = record.data.fingerprint[:DATASET_DIGEST_CHARACTERS]
            used = Dataset(name=spec.name, digest=digest, source_type="benchsuite", source=spec.kind)
            retried(lambda: self.client.log_inputs(run_id, [DatasetInput(used)]))

    # --- runs that are training --------------------------------------------------------------------------------------

    def start_live(self, run_id: str, spec: RunSpec, started_at: datetime | None = None) -> LiveRun:
        """Create a run with status running; delete runs of the same id that a killed process left running."""
        from mlflow.entities import Param

        with self.writing(f"start run {run_id}"):
            experiment_id = self.experiment_id(spec.track)
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

    def experiment_id(self, track: str) -> str:
        """Return the id of a track's experiment, created or restored if needed; the caller holds the lock."""
        client = self.client
        found = retried(lambda: client.get_experiment_by_name(track))
        if found is None:
            return self._create_experiment(track)
        experiment_id = str(found.experiment_id)
        if found.lifecycle_stage == "deleted":
            retried(lambda: client.restore_experiment(experiment_id))
        if self._lies_elsewhere(found):
            # Its artifacts would go to the old location of the folder of records, and MLflow cannot change that.
            retried(lambda: client.rename_experiment(experiment_id, f"{track} (moved {uuid.uuid4().hex[:8]})"))
            retried(lambda: client.delete_experiment(experiment_id))
            return self._create_experiment(track)
        if TRACK_TAG not in found.tags:
            retried(lambda: client.set_experiment_tag(experiment_id, TRACK_TAG, track))
        return experiment_id

    def _create_experiment(self, track: str) -> str:
        # Selects the page that MLflow 3 shows first; without it, MLflow guesses and asks.
        tags = {TRACK_TAG: track, "mlflow.experimentKind": "custom_model_development"}
        # A database has no artifact location of its own: MLflow would use ./mlruns in the current folder.
        root = None if self.uri.is_server else (default_artifact_root(self.store) / track).as_uri()
        return str(retried(lambda: self.client.create_experiment(track, artifact_location=root, tags=tags)))

    def _lies_elsewhere(self, experiment: Experiment) -> bool:
        location = urlsplit(experiment.artifact_location)
        if not self._is_own_database or location.scheme != "file":
            return False
        return Path(unquote(location.path)).parent.resolve() != default_artifact_root(self.store)

    def _create_run(self, experiment_id: str, run_id: str, spec: RunSpec, started_at: datetime) -> str:
        tags = {**spec_tags(run_id, spec), STORE_TAG: self.store_id}
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
