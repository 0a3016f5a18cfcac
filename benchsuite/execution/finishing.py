"""Finish a run: write its record, delete its checkpoint and tell plugins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchsuite.execution.checkpointing import restore
from benchsuite.execution.endings import LostRun
from benchsuite.execution.interruption import interruptions_deferred
from benchsuite.execution.record_building import RunEnding, build_record
from benchsuite.execution.state import RunState
from benchsuite.files import discard
from benchsuite.records.model import FINAL_STATUSES, RunRecord
from benchsuite.training.device import open_device, unknown_device


def finish(run: RunState, ending: RunEnding) -> RunRecord:
    """Write the record and tell plugins; an interruption waits until the record is written.

    Raises:
        StoreError: if the record cannot be written.

    """
    with interruptions_deferred():
        record = _record(run, ending)
        path = run.store.write(record) if run.ranks.is_rank0 else None
    if path is not None:
        send_run_ended(run, record, path)
    return record


def finish_lost(run: RunState, loss: LostRun) -> RunRecord:
    """Write the record of a run whose process was lost, from what that process had saved.

    Raises:
        StoreError: if the record cannot be written.

    """
    run.fresh = False  # the checkpoint is the lost process's own
    restore(run)
    unknown = unknown_device(run.spec.hardware)
    run.device = replace(unknown, used=loss.hardware or unknown.used)
    record = _record(run, RunEnding(loss.status, loss.reason, loss.output or None))
    timing = record.timing.model_copy(update={"peak_memory_mib": None, "peak_memory_source": "the process has ended"})
    record = record.model_copy(update={"timing": timing})
    send_run_ended(run, record, run.store.write(record))
    return record


def _record(run: RunState, ending: RunEnding) -> RunRecord:
    device = run.device or open_device(run.spec.hardware, run.ranks)
    return build_record(run.identity, run.progress, device, run.clock, ending)


def send_run_ended(run: RunState, record: RunRecord, path: Path) -> None:
    """Delete the checkpoint of a run whose record is final, and tell plugins of its end."""
    if record.status in FINAL_STATUSES:
        discard(run.checkpoint_path)
    if record.status != "completed":
        run.send_event("benchsuite_run_failed", record=record)
    run.send_event("benchsuite_run_finished", record=record, path=path)
