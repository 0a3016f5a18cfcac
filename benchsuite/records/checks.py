"""Check a single record's consistency: whatever follows from its spec and its data is worked out again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchsuite.records.check_conditions import conditions
from benchsuite.records.check_epochs import epochs_and_times
from benchsuite.records.check_tuning import tuning_problems
from benchsuite.records.keys import run_result_key, study_result_key
from benchsuite.records.model import RunRecord
from benchsuite.records.study import StudyRecord
from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.hashing import spec_hash, study_hash
from benchsuite.specs.search_space import tuning_hash


def identity_of(record: RunRecord | StudyRecord | TuningRecord) -> str:
    """Return the id of a record's run or study, which is also its file's name."""
    if isinstance(record, TuningRecord):
        return record.tuning_id
    return record.run_id if isinstance(record, RunRecord) else record.study_id


def inconsistencies(record: RunRecord | StudyRecord | TuningRecord, path: Path | None = None) -> list[str]:
    """Return the contradictions within a record; empty if there are none.

    Args:
        record: the record of a run or a study.
        path: its file, whose name is checked too.

    """
    found = list(_names(record, path))
    if _utc(record.ended_at) < _utc(record.started_at):
        found.append("ended_at: before started_at")
    if isinstance(record, RunRecord):
        found += [*epochs_and_times(record), *_ending(record), *conditions(record)]
    if isinstance(record, TuningRecord):
        found += tuning_problems(record)
    return found


def _names(record: RunRecord | StudyRecord | TuningRecord, path: Path | None) -> Iterator[str]:
    try:
        kind, whole = _kind_and_hash(record)
    except (ValueError, RecursionError) as error:
        yield f"spec: has no hash: {error}"
        return
    name = identity_of(record)
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


def _kind_and_hash(record: RunRecord | StudyRecord | TuningRecord) -> tuple[str, str]:
    if isinstance(record, TuningRecord):
        return "tuning_id", tuning_hash(record.spec)
    return (
        ("run_id", spec_hash(record.spec)) if isinstance(record, RunRecord) else ("study_id", study_hash(record.spec))
    )


def _ending(record: RunRecord) -> Iterator[str]:
    """Yield contradictions between the status and the rest of a record."""
    protocol, last, status = record.spec.protocol, record.epochs[-1] if record.epochs else None, record.status
    if status == "completed":
        has_learned_all = protocol.stop_at_zero_train_error and last and last.train and last.train.error == 0
        if len(record.epochs) < protocol.epochs and not has_learned_all:
            yield f"status: completed, but {len(record.epochs)} of {protocol.epochs} epochs are there"
        for field in ("data", "network"):
            if getattr(record, field) is None:
                yield f"{field}: missing, but a completed run has one"
        if record.reason:
            yield "reason: a completed run has none"
    elif not record.reason:
        yield f"reason: missing, but the status is {status}"
    if record.traceback is not None and status != "crashed":
        yield f"traceback: there, but the status is {status}"
    if status == "timed_out" and protocol.timeout_s is None:
        yield "status: timed_out, but the protocol has no timeout_s"
    if any(epoch.running_loss is None for epoch in record.epochs) and status != "diverged":
        yield f"running_loss: not finite in an epoch, but the status is {status}"


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
