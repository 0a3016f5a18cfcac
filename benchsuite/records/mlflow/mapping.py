"""Map a record to MLflow's metrics, tags and params, as plain data. Does not import MLflow."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from benchsuite.records.mlflow.uris import redact
from benchsuite.records.model import (
    DiagnosticValue,
    EpochMetrics,
    RunRecord,
    RunStatus,
    SetMetrics,
    StepDiagnosticValue,
)
from benchsuite.specs.models.track import RunSpec

MAPPING_VERSION = 1
"""Increase it when this module changes what it writes, so that ``benchsuite sync`` rewrites older mirrors."""

PREFIX = "benchsuite."
RUN_ID_TAG = f"{PREFIX}run_id"
STORE_TAG = f"{PREFIX}store"
TRACK_TAG = f"{PREFIX}track"
STATUS_TAG = f"{PREFIX}status"
DIGEST_TAG = f"{PREFIX}mirror_digest"
"""Tag that is written last: a run that has it is mirrored completely."""

# Cut at 500: MLflow 3.17 silently cuts a param at 6,000 characters, and its table shows no more than 500 anyway.
MAX_PARAM_CHARACTERS = 500
MAX_TAG_CHARACTERS = 1000
MAX_RULE_PARAMS = 60
MAX_KEY_CHARACTERS = 250

_NOT_IN_A_KEY = re.compile(r"[^\w\-. :]", re.ASCII)


class MetricPoint(NamedTuple):
    """One number of a curve."""

    key: str
    value: float
    step: int
    """Number of finished epochs."""
    timestamp_ms: int

    @property
    def key_and_step(self) -> tuple[str, int]:
        """Return (key, step), which is unique within a run."""
        return self.key, self.step


def milliseconds(moment: datetime) -> int:
    """Return a moment in MLflow's format, milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def clean_key(*parts: str) -> str:
    """Join parts with ``/`` to a key that MLflow accepts; other characters become ``_``."""
    cleaned = (_NOT_IN_A_KEY.sub("_", part).strip(" .") or "_" for part in parts)
    return "/".join(cleaned)[:MAX_KEY_CHARACTERS]


def run_name(spec: RunSpec) -> str:
    """Return the name of a run in MLflow's pages, e.g. ``backprop-seed0``; for a variant, with its own name."""
    return f"{spec.rule.shown_as}-seed{spec.seed}"


def mlflow_status(record: RunRecord) -> str:
    """Return the closest of MLflow's few statuses; the exact status is a tag."""
    return status_of(record.status)


def status_of(status: RunStatus) -> str:
    """Return the closest of MLflow's few statuses."""
    return {"completed": "FINISHED", "interrupted": "KILLED"}.get(status, "FAILED")


def mirror_digest(record: RunRecord) -> str:
    """Return a hash of the record's content and the mapping version: equal if the mirror is up to date."""
    digest = hashlib.sha256(record.model_dump_json().encode()).hexdigest()
    return f"{MAPPING_VERSION}:{digest[:32]}"


def epoch_points(metrics: EpochMetrics, timestamp_ms: int) -> Iterator[MetricPoint]:
    """Yield the numbers of one epoch."""
    values: dict[str, float | None] = {
        "running/loss": metrics.running_loss,
        "running/error": metrics.running_error,
        "running/learning_rate": metrics.learning_rate,
        "time/train_time_s": metrics.train_time_s,
        "time/images_per_s": metrics.images_per_s,
        **_set_values("train", metrics.train),
        **_set_values("test", metrics.test),
        **_set_values("validation", metrics.validation),
    }
    for key, value in values.items():
        if value is not None:
            yield MetricPoint(key, value, metrics.epoch, timestamp_ms)


def _set_values(name: str, measured: SetMetrics | None) -> dict[str, float | None]:
    if measured is None:
        return {}
    return {f"{name}/loss": measured.loss, f"{name}/error": measured.error, f"{name}/top5_error": measured.top5_error}


def record_points(record: RunRecord) -> Iterator[MetricPoint]:
    """Yield every number of a record, each key and step once; undefined values are omitted.

    A record has durations but no time of day per epoch, so an epoch's timestamp is the start plus the training time.
    """
    start_ms, end_ms = milliseconds(record.started_at), milliseconds(record.ended_at)
    timestamps = {0: start_ms}
    trained_s = 0.0
    for metrics in record.epochs:
        trained_s += metrics.train_time_s
        timestamps[metrics.epoch] = min(round(start_ms + trained_s * 1000), max(start_ms, end_ms))
    seen: set[tuple[str, int]] = set()
    for point in _all_points(record, timestamps, end_ms):
        if point.key_and_step not in seen:
            seen.add(point.key_and_step)
            yield point


def _all_points(record: RunRecord, timestamps: dict[int, int], end_ms: int) -> Iterator[MetricPoint]:
    for metrics in record.epochs:
        yield from epoch_points(metrics, timestamps[metrics.epoch])
    for value in record.diagnostics:
        if value.value is not None:
            yield MetricPoint(_diagnostic_key(value), value.value, value.epoch, timestamps.get(value.epoch, end_ms))
    for found in record.step_diagnostics:
        if found.value is not None:
            yield MetricPoint(_diagnostic_key(found, "alignment_by_step"), found.value, found.step, end_ms)
    last = record.epochs[-1].epoch if record.epochs else 0
    timing = record.timing
    totals = {
        "time/total_train_time_s": timing.train_time_s,
        "time/train_processor_s": timing.train_processor_s,
        "time/evaluation_time_s": timing.evaluation_time_s,
        "time/diagnostics_time_s": timing.diagnostics_time_s,
        "time/setup_time_s": timing.setup_time_s,
        "time/compile_time_s": timing.compile_time_s,
        "time/median_images_per_s": timing.images_per_s,
        "time/step_time_ms": timing.step_time_ms,
        "memory/peak_memory_mib": timing.peak_memory_mib,
        "energy/train_energy_j": timing.train_energy_j,
    }
    for key, number in totals.items():
        if number is not None:
            yield MetricPoint(key, number, last, end_ms)


def _diagnostic_key(value: DiagnosticValue | StepDiagnosticValue, prefix: str = "alignment") -> str:
    return clean_key(prefix, value.diagnostic, "network" if value.segment is None else value.segment)


def spec_params(spec: RunSpec) -> dict[str, str]:
    """Return the short, flat settings of a run; the complete spec is the artifact ``spec.json``."""
    protocol, optimizer = spec.protocol, spec.protocol.optimizer
    settings: dict[str, Any] = {
        "track": spec.track,
        "tier": spec.tier,
        # The variant's name here and in the tag, so that runs grouped by it are the seeds of one row.
        "rule": spec.rule.shown_as,
        "seed": spec.seed,
        "dataset": spec.dataset.name,
        "architecture": spec.architecture.name,
        "epochs": protocol.epochs,
        "batch_size": protocol.batch_size,
        "loss": protocol.model_dump(mode="json")["loss"],
        "optimizer": optimizer.kind,
        **{key: value for key, value in optimizer.model_dump(mode="json").items() if key != "kind"},
        "schedule": protocol.schedule.kind,
        "device": spec.hardware.device,
        "precision": spec.hardware.precision,
    }
    for key, value in sorted(spec.rule.config.items())[:MAX_RULE_PARAMS]:
        settings[clean_key(f"rule.{key}")] = value
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return {key: cut(redact(text), MAX_PARAM_CHARACTERS) for key, text in texts.items()}


def spec_tags(run_id: str, spec: RunSpec) -> dict[str, str]:
    """Return the tags that are known before a run has started."""
    return {
        RUN_ID_TAG: run_id,
        TRACK_TAG: spec.track,
        f"{PREFIX}tier": spec.tier,
        f"{PREFIX}rule": spec.rule.shown_as,
        **({f"{PREFIX}variant_of": spec.rule.name} if spec.rule.title else {}),
        f"{PREFIX}seed": str(spec.seed),
        "mlflow.source.name": "benchsuite",
        "mlflow.source.type": "LOCAL",
    }


def record_tags(record: RunRecord) -> dict[str, str]:
    """Return the tags of a finished run: its status and the origin of its numbers. A missing value has no tag."""
    environment, hardware, data = record.environment, record.hardware, record.data
    facts: dict[str, Any] = {
        "spec_hash": record.spec_hash,
        "result_key": record.result_key,
        "status": record.status,
        "reason": record.reason or None,
        "rule_source_hash": environment.rule_source_hash,
        "rule_distribution": environment.rule_distribution,
        "git_commit": environment.git_commit,
        "git_dirty": environment.git_dirty,
        "version": environment.benchsuite,
        "python": environment.python,
        "torch": environment.torch,
        "numpy": environment.numpy,
        "platform": environment.platform,
        "device": hardware.device,
        "device_name": hardware.device_name,
        "hardware_class": hardware.hardware_class,
        "step": hardware.step,
        "step_reason": hardware.step_reason or None,
        "fingerprint": data.fingerprint if data else None,
        "canonical": data.canonical if data else None,
        "started_at": record.started_at.isoformat(),
        "resumed": record.resumed,
    }
    texts = {
        f"{PREFIX}{key}": str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in facts.items()
        if value is not None
    }
    # Shown on MLflow's run page as description and as version of the source.
    texts["mlflow.note.content"] = f"Status: {record.status}. {record.reason}\n\n    {record.command}".strip()
    if environment.git_commit:
        texts["mlflow.source.git.commit"] = environment.git_commit
    return {key: cut(redact(text), MAX_TAG_CHARACTERS) for key, text in texts.items()} | spec_tags(
        record.run_id, record.spec
    )


def cut(text: str, characters: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
