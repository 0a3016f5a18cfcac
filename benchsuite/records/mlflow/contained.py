"""Compare the content of MLflow with a store's records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from benchsuite.records.mlflow.mapping import DIGEST_TAG, RUN_ID_TAG, TUNING_TAG, mirror_digest
from benchsuite.records.mlflow.mirror import Mirror, Outcome
from benchsuite.records.mlflow.studies import STUDY_DIGEST_TAG, STUDY_TAG, study_digest, upsert_study
from benchsuite.records.mlflow.tunings import TRIAL_TAG, TUNING_DIGEST_TAG, tuning_digest, upsert_tuning
from benchsuite.records.model import RunRecord
from benchsuite.records.store import BrokenRecord, RecordStore, read_tunings
from benchsuite.records.study import StudyRecord
from benchsuite.records.tuning import TuningRecord

AnyRecord = RunRecord | TuningRecord | StudyRecord


class Wanted(NamedTuple):
    """A record that MLflow should hold."""

    record: AnyRecord
    name: str
    """Id of the run, the tuning or the study."""
    digest: str
    """The digest that its mirror has if it is up to date."""
    upsert: Callable[[], Outcome]
    """Writes it to MLflow."""


def wanted_records(mirror: Mirror, store: RecordStore) -> Iterator[Wanted | BrokenRecord]:
    """Yield every record of a store, broken ones as ``BrokenRecord``."""
    for found in chain(store.read_all(), read_tunings(store.tunings_folder), store.read_studies()):
        match found:
            case BrokenRecord():
                yield found
            case RunRecord():
                yield Wanted(found, found.run_id, mirror_digest(found), partial(mirror.upsert, found))
            case TuningRecord():
                yield Wanted(found, found.tuning_id, tuning_digest(found), partial(upsert_tuning, mirror, found))
            case StudyRecord():
                yield Wanted(found, found.study_id, study_digest(found), partial(upsert_study, mirror, found))


def digests_by_name(mirror: Mirror) -> dict[str, list[str | None]]:
    """Return the digests of all that MLflow has of a store's records, by id; None for what is not complete."""
    digests: dict[str, list[str | None]] = {}
    for run in mirror.runs():
        tags = run.data.tags
        if RUN_ID_TAG in tags:
            digests.setdefault(tags[RUN_ID_TAG], []).append(tags.get(DIGEST_TAG))
        elif STUDY_TAG in tags:
            digests.setdefault(tags[STUDY_TAG], []).append(tags.get(STUDY_DIGEST_TAG))
        elif TRIAL_TAG not in tags:
            digests.setdefault(tags.get(TUNING_TAG, ""), []).append(tags.get(TUNING_DIGEST_TAG))
    return digests
