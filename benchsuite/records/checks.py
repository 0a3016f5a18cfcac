"""Check a single record's consistency: its names, hashes and counts must agree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchsuite.records.keys import run_result_key, study_result_key
from benchsuite.records.model import EpochMetrics, RunRecord
from benchsuite.records.study import StudyRecord
from benchsuite.specs.hashing import spec_hash, study_hash


def identity_of(record: RunRecord | StudyRecord) -> str:
    """Return the id of a record's run or study, which is also its file's name."""
    return record.run_id if isinstance(record, RunRecord) else record.study_id


def inconsistencies(record: RunRecord | StudyRecord, path: Path | None = None) -> list[str]:
    """Return the contradictions within a record; empty if there are none.

    Args:
        record: the record of a run or a study.
        path: its file, whose name is checked too.

    """
    found = list(_names(record, path))
    if isinstance(record, RunRecord):
        found += _counts("epochs", record.epochs, record.spec.protocol.epochs)
        found += _counts("pretraining", record.pretraining, record.spec.pretraining.epochs)
        found += _ending(record)
    if _utc(record.ended_at) < _utc(record.started_at):
        found.append("ended_at: before started_at")
    return found


def _names(record: RunRecord | StudyRecord, path: Path | None) -> Iterator[str]:
    try:
        whole = spec_hash(record.spec) if isinstance(record, RunRecord) else study_hash(record.spec)
    except (ValueError, RecursionError) as error:
        yield f"spec: has no hash: {error}"
        return
    kind, name = ("run_id", record.run_id) if isinstance(record, RunRecord) else ("study_id", identity_of(record))
    if record.spec_hash != whole:
        yield f"spec_hash: {record.spec_hash[:16]}…, but the spec's is {whole[:16]}…"
    if name != whole[:16]:
        yield f"{kind}: {name}, but the spec's is {whole[:16]}"
    if path is not None and path.name != f"{name}.json":
        yield f"file name: {path.name}, but a record of {name} is called {name}.json"
    if isinstance(record, StudyRecord):
        key = study_result_key(whole, record.rules, record.code, record.environment)
    elif record.data is not None:
        key = run_result_key(whole, record.environment, record.data.fingerprint)
    else:
        return  # without the data's fingerprint there is nothing to hold the key to
    if record.result_key != key:
        yield f"result_key: {record.result_key[:16]}…, but spec, sources, data and versions give {key[:16]}…"


def _counts(field: str, epochs: Sequence[EpochMetrics], planned: int) -> list[str]:
    numbers = [e.epoch for e in epochs]
    if numbers != list(range(1, len(numbers) + 1)):
        return [f"{field}: not numbered 1 to {len(numbers)}"]
    return [f"{field}: {len(numbers)}, but the spec has {planned}"] if len(numbers) > planned else []


def _ending(record: RunRecord) -> list[str]:
    protocol, last = record.spec.protocol, record.epochs[-1] if record.epochs else None
    has_learned_all = protocol.stop_at_zero_train_error and last and last.train and last.train.error == 0
    if record.status == "completed" and len(record.epochs) < protocol.epochs and not has_learned_all:
        return [f"status: completed, but {len(record.epochs)} of {protocol.epochs} epochs are there"]
    return []


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
