"""Experiments in MLflow, one per track: found, made, brought back, described and given views."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from benchsuite.records.mlflow.connection import retried
from benchsuite.records.mlflow.labels import Labels
from benchsuite.records.mlflow.mapping import (
    MAX_NOTE_CHARACTERS,
    NOTE_TAG,
    PREFIX,
    TITLE_TAG,
    TRACK_TAG,
    cut,
)
from benchsuite.records.mlflow.notes import experiment_note
from benchsuite.records.mlflow.uris import TrackingUri, default_artifact_root, default_tracking_uri, redact
from benchsuite.records.mlflow.views import results_view, tuning_view
from benchsuite.specs.models.track import RunSpec

if TYPE_CHECKING:
    from mlflow.entities import Experiment
    from mlflow.tracking import MlflowClient

NOTE_DIGEST_TAG = f"{PREFIX}note_digest"
"""Hash of the description that we wrote: one that a person has changed is left alone."""


Describe = Callable[[Mapping[str, str]], dict[str, str]]
"""Returns the tags that describe an experiment, given those that it has."""

DEFAULT_ID = "0"
"""Id of the experiment that MLflow makes in every database."""


class Experiments:
    """The experiments of one tracking store that a folder of records is mirrored to."""

    def __init__(self, client: MlflowClient, uri: TrackingUri, store: Path, labels: Labels) -> None:
        self.client = client
        self.uri = uri
        self.store = store
        self.labels = labels
        self._is_own_database = uri.raw == default_tracking_uri(store)

    def of_run(self, spec: RunSpec, segments: Sequence[str] | None) -> str:
        """Return the id of a run's experiment, created or restored if needed; the caller holds the lock.

        Args:
            spec: the run.
            segments: of its network; None if they are not known, which leaves a view that is there as it is.

        """
        views = results_view(spec.tier, spec.diagnostics.names, segments or ())
        return self._id_of(spec.track, partial(self._of_track, spec), views, renew_views=segments is not None)

    def of_tuning(self, spec: RunSpec, searched: Sequence[str]) -> str:
        """Return the same for a tuning: the run of its trials, and the names of the params that they differ in."""
        return self._id_of(spec.track, partial(self._of_track, spec), tuning_view(searched), renew_views=False)

    def of_studies(self, name: str) -> str:
        """Return the same for all studies together."""
        return self._id_of(name, lambda present: {TRACK_TAG: name, TITLE_TAG: "Studies"}, {}, renew_views=False)

    def hide_default(self) -> None:
        """Delete MLflow's own experiment from this store's own database if nobody has used it."""
        if not self._is_own_database:
            return
        found = retried(lambda: self.client.get_experiment(DEFAULT_ID))
        if found.lifecycle_stage == "active" and not self.client.search_runs([DEFAULT_ID], max_results=1):
            retried(lambda: self.client.delete_experiment(DEFAULT_ID))

    def _id_of(self, name: str, describe: Describe, views: Mapping[str, str], *, renew_views: bool) -> str:
        client = self.client
        found = retried(lambda: client.get_experiment_by_name(name))
        if found is None:
            return self._create(name, {**describe({}), **views})
        experiment_id = str(found.experiment_id)
        if found.lifecycle_stage == "deleted":
            retried(lambda: client.restore_experiment(experiment_id))
        if self._lies_elsewhere(found):
            # Its artifacts would go to the old location of the folder of records, and MLflow cannot change that.
            retried(lambda: client.rename_experiment(experiment_id, f"{name} (moved {uuid.uuid4().hex[:8]})"))
            retried(lambda: client.delete_experiment(experiment_id))
            return self._create(name, {**describe({}), **views})
        tags = found.tags
        wanted = {**describe(tags), **{k: v for k, v in views.items() if renew_views or k not in tags}}
        for key, value in wanted.items():
            if tags.get(key) != value:
                client.set_experiment_tag(experiment_id, key, value)
        return experiment_id

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        # Selects the page that MLflow 3 shows first; without it, MLflow guesses and asks.
        tags = {"mlflow.experimentKind": "custom_model_development", **tags}
        # A database has no artifact location of its own: MLflow would use ./mlruns in the current folder.
        root = None if self.uri.is_server else (default_artifact_root(self.store) / name).as_uri()
        return str(retried(lambda: self.client.create_experiment(name, artifact_location=root, tags=tags)))

    def _of_track(self, spec: RunSpec, present: Mapping[str, str]) -> dict[str, str]:
        """Return the tags that say what the track is, as far as is known and nobody else has said it."""
        label, note = self.labels.track(spec.track), present.get(NOTE_TAG)
        tags = {TRACK_TAG: spec.track}
        if label is not None:
            tags[TITLE_TAG] = label.title
        if note is None or (label is not None and present.get(NOTE_DIGEST_TAG) == _digest(note)):
            tags[NOTE_TAG] = cut(redact(experiment_note(spec, label, not self.uri.is_server)), MAX_NOTE_CHARACTERS)
            tags[NOTE_DIGEST_TAG] = _digest(tags[NOTE_TAG])
        return tags

    def _lies_elsewhere(self, experiment: Experiment) -> bool:
        location = urlsplit(experiment.artifact_location)
        if not self._is_own_database or location.scheme != "file":
            return False
        return Path(unquote(location.path)).parent.resolve() != default_artifact_root(self.store)


def _digest(note: str) -> str:
    return hashlib.sha256(note.encode()).hexdigest()[:32]
