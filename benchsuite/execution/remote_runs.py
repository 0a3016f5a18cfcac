"""Make a session's runs through an executor, several at a time, in other processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from benchsuite.execution.endings import LostRun
from benchsuite.execution.events import send_event
from benchsuite.execution.executor import Executor, RunContext, SendEvent
from benchsuite.execution.run_factory import RunFactory, SessionResult
from benchsuite.records.model import RunRecord
from benchsuite.specs.loading.resolve import SelectedRun


def make_elsewhere(factory: RunFactory, executor: Executor, runs: Sequence[SelectedRun], result: SessionResult) -> None:
    """Let the executor make all runs without a final record, and tell plugins as they end.

    Raises:
        HardwareError: if no machine has room for a run.
        KeyboardInterrupt: if the command was interrupted; the records written until then are among the results.

    """
    emit: SendEvent = partial(send_event, factory.registry.manager)
    began = datetime.now(UTC)
    waiting = [run for run in runs if not factory.has_record(factory.run_of(run), result)]
    context = RunContext(factory.store.root, factory.loader.data_root, factory.fresh)
    executor.check(waiting, context)
    try:
        for record in executor.make(waiting, context, emit, partial(_record_lost, factory)):
            result.records.append(record)
            if record.status != "completed":
                emit("benchsuite_run_failed", record=record)
            emit("benchsuite_run_finished", record=record, path=factory.store.path_of(record.run_id))
    except KeyboardInterrupt:
        ended = {record.run_id for record in result.records}
        for run in map(factory.run_of, waiting):
            left = factory.store.find(run.id)
            # Interrupted, or finished before the interruption reached it.
            if left and left.run_id not in ended and left.result_key == run.key and left.ended_at >= began:
                result.records.append(left)
        raise


def _record_lost(factory: RunFactory, selected: SelectedRun, loss: LostRun) -> RunRecord:
    return factory.run_of(selected, emit=lambda event, **arguments: None).record_lost_run(loss)
