"""Mirror studies: one run per study, in an experiment of their own."""

from __future__ import annotations

import hashlib

from benchsuite.records.mlflow.addresses import BOARD, HOME
from benchsuite.records.mlflow.connection import retried
from benchsuite.records.mlflow.mapping import (
    MAX_NOTE_CHARACTERS,
    MAX_PARAM_CHARACTERS,
    NOTE_TAG,
    PREFIX,
    STORE_TAG,
    TRACK_TAG,
    cut,
)
from benchsuite.records.mlflow.mirror import Mirror, Outcome
from benchsuite.records.mlflow.notes import linked, plain
from benchsuite.records.mlflow.points import milliseconds
from benchsuite.records.mlflow.uris import redact
from benchsuite.records.study import StudyRecord

STUDY_VERSION = 1
"""Increase it when this module changes what it writes, so that ``benchsuite sync`` rewrites older mirrors."""

EXPERIMENT = "studies"

STUDY_TAG = f"{PREFIX}study_id"

STUDY_DIGEST_TAG = f"{PREFIX}study_digest"
"""Tag that is written last: a study that has it is mirrored completely."""


def study_digest(record: StudyRecord) -> str:
    """Return a hash of the record's content and the mapping's version: equal if the mirror is up to date."""
    return f"{STUDY_VERSION}:{hashlib.sha256(record.model_dump_json().encode()).hexdigest()[:32]}"


def upsert_study(mirror: Mirror, record: StudyRecord) -> Outcome:
    """Write a study to MLflow, exactly once, whatever MLflow had of it before.

    Its curves are in the file ``study.json``: only the study's kind, a plugin, knows what they mean.

    Raises:
        MirrorError: if the tracking store fails.

    """
    with mirror.writing(f"mirror study {record.study_id}"):
        digest = study_digest(record)
        experiment_id = mirror.experiments.of_studies(EXPERIMENT)
        existing = mirror.runs(EXPERIMENT, f"tags.`{STUDY_TAG}` = '{record.study_id}'")
        return mirror.keep_one(existing, STUDY_DIGEST_TAG, digest, lambda: _write(mirror, experiment_id, record))


def _write(mirror: Mirror, experiment_id: str, record: StudyRecord) -> str:
    from mlflow.entities import Metric, Param

    start, end = milliseconds(record.started_at), milliseconds(record.ended_at)
    tags = {
        STORE_TAG: mirror.store_id,
        TRACK_TAG: EXPERIMENT,
        STUDY_TAG: record.study_id,
        f"{PREFIX}result_key": record.result_key,
        f"{PREFIX}version": record.environment.benchsuite,
        NOTE_TAG: cut(redact(_note(record, not mirror.uri.is_server)), MAX_NOTE_CHARACTERS),
        "mlflow.source.name": "benchsuite",
        "mlflow.source.type": "LOCAL",
    }
    params = {
        "study": record.spec.name,
        "kind": record.spec.kind,
        "seeds": ", ".join(map(str, record.spec.seeds)),
        "rules": ", ".join(sorted(record.rules)),
    }
    short = [Param(key, cut(redact(text), MAX_PARAM_CHARACTERS)) for key, text in params.items()]
    client, name = mirror.client, record.spec.name
    run = retried(lambda: client.create_run(experiment_id, start_time=start, tags=tags, run_name=name))
    run_id = str(run.info.run_id)
    metrics = [Metric("final/wall_time_s", record.wall_time_s, end, 0)]
    retried(lambda: client.log_batch(run_id, params=short, metrics=metrics))
    retried(lambda: client.log_text(run_id, record.model_dump_json(indent=1) + "\n", "study.json"))
    retried(lambda: client.set_terminated(run_id, status="FINISHED", end_time=end))
    return run_id


def _note(record: StudyRecord, with_board: bool) -> str:
    spec = record.spec
    first = f"**{plain(spec.shown_as)}**"
    if with_board:
        first += f" · [on the board]({BOARD}studies/{spec.name}.html) · [all tracks]({HOME})"
    source = f"Source: {linked(spec.source)}" if spec.source else ""
    return "\n\n".join(part for part in (first, plain(spec.description), source, f"    {record.command}") if part)
