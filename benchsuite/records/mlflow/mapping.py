"""Map a record to MLflow's metrics, tags and params, as plain data. Does not import MLflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from benchsuite.records.mlflow.points import clean_key
from benchsuite.records.mlflow.uris import redact
from benchsuite.records.model import RunRecord, RunStatus
from benchsuite.specs.models.track import RunSpec

MAPPING_VERSION = 3
"""Increase it when what is written of a record changes, so that ``benchsuite sync`` rewrites older mirrors."""

PREFIX = "benchsuite."
RUN_ID_TAG = f"{PREFIX}run_id"
STORE_TAG = f"{PREFIX}store"
TRACK_TAG = f"{PREFIX}track"
TITLE_TAG = f"{PREFIX}title"
"""On experiments: the track's title."""
TIER_TAG = f"{PREFIX}tier"
RULE_TAG = f"{PREFIX}rule"
STATUS_TAG = f"{PREFIX}status"
PARENT_TAG = "mlflow.parentRunId"
"""MLflow's own: id of the run that a run is a part of."""

DIGEST_TAG = f"{PREFIX}mirror_digest"
"""Tag that is written last: a run that has it is mirrored completely."""
TUNING_TAG = f"{PREFIX}tuning_id"
"""On the run of a tuning and on those of its trials."""
NOTE_TAG = "mlflow.note.content"
"""Shown as the description of an experiment or a run."""
RUN_COLOR_TAG = "mlflow.runColor"

# Cut at 500: MLflow 3.17 silently cuts a param at 6,000 characters, and its table shows no more than 500 anyway.
MAX_PARAM_CHARACTERS = 500
MAX_TAG_CHARACTERS = 1000
MAX_NOTE_CHARACTERS = 4000
MAX_RULE_PARAMS = 50


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
        **{f"schedule.{key}": value for key, value in _options(protocol.schedule)},
        "regulariser": protocol.orthogonality.kind if protocol.orthogonality else "none",
        **{f"regulariser.{key}": value for key, value in _options(protocol.orthogonality)},
        "device": spec.hardware.device,
        "world_size": spec.hardware.world_size,
        "precision": spec.hardware.precision,
    }
    for key, value in sorted(spec.rule.config.items())[:MAX_RULE_PARAMS]:
        settings[clean_key(f"rule.{key}")] = value
    return _texts(settings)


def _options(model: BaseModel | None) -> Iterable[tuple[str, Any]]:
    return [] if model is None else [(k, v) for k, v in model.model_dump(mode="json").items() if k != "kind"]


def record_params(record: RunRecord) -> dict[str, str]:
    """Return the spec's settings, and the sizes that are known once a run has been set up."""
    settings: dict[str, Any] = {"threads": record.hardware.threads}
    if record.network is not None:
        settings |= {
            "parameters": record.network.parameters,
            "feedback_parameters": record.network.feedback_parameters,
            "own_parameters": record.network.own_parameters,
        }
    if record.data is not None:
        settings |= {
            "train_examples": record.data.train_examples,
            "test_examples": record.data.test_examples,
            "classes": record.data.classes,
        }
    return spec_params(record.spec) | _texts(settings)


def _texts(settings: dict[str, Any]) -> dict[str, str]:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return {key: cut(redact(text), MAX_PARAM_CHARACTERS) for key, text in texts.items()}


def spec_tags(run_id: str, spec: RunSpec) -> dict[str, str]:
    """Return the tags that are known before a run has started."""
    return {
        RUN_ID_TAG: run_id,
        TRACK_TAG: spec.track,
        TIER_TAG: spec.tier,
        RULE_TAG: spec.rule.shown_as,
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
    # Shown on MLflow's run page as version of the source.
    if environment.git_commit:
        texts["mlflow.source.git.commit"] = environment.git_commit
    return {key: cut(redact(text), MAX_TAG_CHARACTERS) for key, text in texts.items()} | spec_tags(
        record.run_id, record.spec
    )


def cut(text: str, characters: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= characters else text[: characters - 1] + "…"
