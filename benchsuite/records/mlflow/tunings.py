"""Mirror tunings: one parent run per tuning, with a child run per trial."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchsuite.records.mlflow.connection import out_of_date, retried
from benchsuite.records.mlflow.labels import NO_LABELS, Labels
from benchsuite.records.mlflow.mapping import (
    MAX_PARAM_CHARACTERS,
    MAX_TAG_CHARACTERS,
    PARENT_TAG,
    PREFIX,
    STATUS_TAG,
    STORE_TAG,
    TRACK_TAG,
    TUNING_TAG,
    cut,
    status_of,
)
from benchsuite.records.mlflow.mirror import Mirror, Outcome
from benchsuite.records.mlflow.points import clean_key, milliseconds
from benchsuite.records.mlflow.uris import redact
from benchsuite.records.tuning import TrialResult, TuningRecord

logger = logging.getLogger("benchsuite.records.mlflow")

TUNING_VERSION = 2
"""Increase it when this module changes what it writes, so that ``benchsuite sync`` rewrites older mirrors."""

TRIAL_TAG = f"{PREFIX}trial"
"""On the runs of trials: number of the trial."""

TUNING_DIGEST_TAG = f"{PREFIX}tuning_digest"
"""Tag that is written last: a tuning that has it is mirrored completely."""


def mirror_tunings(records: Iterable[TuningRecord], tracking_uri: str, store: Path, labels: Labels = NO_LABELS) -> None:
    """Mirror tunings; warn once if that fails, as the records on disk are the authoritative copies."""
    try:
        mirror = Mirror.open(tracking_uri, store, labels)
        for record in records:
            upsert_tuning(mirror, record)
    except Exception as error:
        # Also errors of MLflow's and its libraries' that are no MirrorError: no result may be lost by them.
        logger.warning(out_of_date(error))


def tuning_digest(record: TuningRecord) -> str:
    """Return a hash of the record's content and the mapping's version: equal if the mirror is up to date."""
    return f"{TUNING_VERSION}:{hashlib.sha256(record.model_dump_json().encode()).hexdigest()[:32]}"


def upsert_tuning(mirror: Mirror, record: TuningRecord) -> Outcome:
    """Write a tuning and its trials to MLflow, exactly once, whatever MLflow had of it before.

    Other runs of the same tuning and store are deleted after the new ones are complete, so that a crash in between
    leaves duplicates and never a gap.

    Raises:
        MirrorError: if the tracking store fails.

    """
    with mirror.writing(f"mirror tuning {record.tuning_id}"):
        track, digest = record.spec.run.track, tuning_digest(record)
        searched = [_short(d.field) for d in record.spec.space if d.field.startswith("protocol.")]
        experiment_id = mirror.experiments.of_tuning(record.spec.run, searched)
        existing = mirror.runs(track, f"tags.`{TUNING_TAG}` = '{record.tuning_id}'")
        return mirror.keep_one(existing, TUNING_DIGEST_TAG, digest, lambda: _write(mirror, experiment_id, record))


def _write(mirror: Mirror, experiment_id: str, record: TuningRecord) -> str:
    """Create the run of a tuning and those of its trials; return the id of the former."""
    spec, best = record.spec, record.best
    rule = spec.run.rule.name
    common = {
        STORE_TAG: mirror.store_id,
        TRACK_TAG: spec.run.track,
        TUNING_TAG: record.tuning_id,
        f"{PREFIX}tier": spec.run.tier,
        f"{PREFIX}rule": rule,
        "mlflow.source.name": "benchsuite",
        "mlflow.source.type": "LOCAL",
    }
    tags = {**common, "mlflow.note.content": record.command, f"{PREFIX}result_key": record.result_key}
    params = {
        "track": spec.run.track,
        "tier": spec.run.tier,
        "rule": rule,
        **{f"budget.{name}": value for name, value in spec.budget.model_dump(mode="json").items()},
        **{f"range.{_short(d.field)}": f"{d.low:g} to {d.high:g}" for d in spec.space},
        **({f"best.{name}": value for name, value in _params(best).items()} if best else {}),
    }
    metrics: dict[str, float | None] = {
        "validation/best_error_percent": _percent(best.validation_error) if best else None,
        "tuning/trials": float(len(record.trials)),
        "tuning/not_completed": float(sum(trial.validation_error is None for trial in record.trials)),
        "final/train_time_s": record.train_time_s,
    }
    start, end = milliseconds(record.started_at), milliseconds(record.ended_at)
    name = f"{rule}-tuning ({spec.budget.words})"
    parent = _run(mirror, experiment_id, name, start, tags, params, metrics)
    for trial in record.trials:
        of_trial = {
            **common,
            PARENT_TAG: parent,
            TRIAL_TAG: str(trial.number),
            STATUS_TAG: trial.status,
            **({f"{PREFIX}reason": trial.reason} if trial.reason else {}),
        }
        child = _run(
            mirror,
            experiment_id,
            f"{rule}-trial{trial.number + 1}",
            start,
            of_trial,
            {"rule": rule, "seed": trial.seed, **_params(trial)},
            {
                "validation/error_percent": _percent(trial.validation_error),
                "validation/loss": trial.validation_loss,
                "final/train_time_s": trial.train_time_s,
            },
        )
        ended = milliseconds(record.started_at + timedelta(seconds=trial.wall_time_s))
        _close(mirror, child, status_of(trial.status), ended)
    retried(lambda: mirror.client.log_text(parent, record.model_dump_json(indent=1) + "\n", "tuning.json"))
    _close(mirror, parent, "FINISHED", end)
    return parent


def _params(trial: TrialResult) -> dict[str, Any]:
    return {_short(field): value for field, value in trial.settings.items()}


def _short(field: str) -> str:
    """Return the last part of a field's path."""
    return field.rpartition(".")[2]


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction


def _run(
    mirror: Mirror,
    experiment_id: str,
    name: str,
    start_ms: int,
    tags: dict[str, str],
    params: dict[str, Any],
    metrics: dict[str, float | None],
) -> str:
    from mlflow.entities import Metric, Param

    texts = {key: cut(redact(text), MAX_TAG_CHARACTERS) for key, text in tags.items()}
    run = retried(
        lambda: mirror.client.create_run(experiment_id, start_time=start_ms, tags=texts, run_name=redact(name))
    )
    run_id = str(run.info.run_id)
    short = [Param(clean_key(key), cut(redact(str(value)), MAX_PARAM_CHARACTERS)) for key, value in params.items()]
    points = [Metric(key, value, start_ms, 0) for key, value in metrics.items() if value is not None]
    retried(lambda: mirror.client.log_batch(run_id, params=short, metrics=points))
    return run_id


def _close(mirror: Mirror, run_id: str, status: str, end_ms: int) -> None:
    retried(lambda: mirror.client.set_terminated(run_id, status=status, end_time=end_ms))
