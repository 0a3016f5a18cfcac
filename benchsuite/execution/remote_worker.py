"""Make one run in a process that a cluster has started."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.executor import RunContext, SendEvent, threads_of
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.run import Run
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.device import resolve_hardware

FORWARDED_EVENTS = frozenset({"benchsuite_run_started", "benchsuite_epoch_finished"})
"""Events that a worker sends; the command's process makes the others from the record, which is returned whole."""


def make_run_here(selected: SelectedRun, context: RunContext, emit: SendEvent) -> RunRecord:
    """Make one run in this process and return its record, or the final record that it has already.

    Args:
        selected: the run and its command.
        context: folders of the store and of data sets.
        emit: sends an event to the command; called for those of ``FORWARDED_EVENTS``.

    Raises:
        HardwareError: if this machine lacks what the run's hardware spec asks for.
        DataError: if the data set is missing or damaged on this machine.
        InterruptedRunError: if it was interrupted, after its record has been written.
        RunningElsewhereError: if another live process is making the run.

    """
    keep_freed_memory()
    torch.set_num_threads(threads_of(selected.spec.hardware))
    resolve_hardware(selected.spec.hardware)
    registry = installed_registry()
    data = _loader(context.data_root).load(selected.spec.dataset)

    def forward(event: str, **arguments: object) -> None:
        if event in FORWARDED_EVENTS:
            emit(event, **arguments)

    run = Run(selected, data, RecordStore(context.store), registry, context.fresh, emit=forward)
    return run.earlier_record() or run.execute(unless_finished=True)


@lru_cache(maxsize=1)
def _loader(data_root: Path) -> DataLoader:
    # Cached: a worker makes many runs, mostly of the same track.
    return DataLoader(data_root, installed_registry(), keep=2)
