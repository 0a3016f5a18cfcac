"""Make all trials of some tunings with this process and its helpers, each run in a worker where that is possible."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.interruption import sigterm_as_interrupt
from benchsuite.execution.run_factory import RunFactory
from benchsuite.execution.workers.isolation import TorchState
from benchsuite.execution.workers.starting import can_make_workers
from benchsuite.execution.workers.supervisor import supervised
from benchsuite.records.tuning import TuningRecord
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.tuning.helpers import helpers
from benchsuite.tuning.search import Searched, search
from benchsuite.tuning.storage import open_storage
from benchsuite.tuning.trials import print_trial, show_nothing

logger = logging.getLogger("benchsuite.tuning")


def search_in_processes(
    tunings: Sequence[Searched], address: str, factory: RunFactory, torch_state: TorchState, jobs: int, *, show: bool
) -> list[TuningRecord]:
    """Make the trials that are left; return the records of complete tunings.

    Args:
        tunings: the tunings.
        address: of the storage.
        factory: makes the runs.
        torch_state: torch's global state, as each run should find it.
        jobs: number of processes, this one included.
        show: True to print a line per trial.

    Raises:
        KeyboardInterrupt: if it was interrupted; helpers have ended then.
        StoreError: if the storage or the store cannot be used.

    """
    keep_freed_memory()
    runs = [SelectedRun(each.spec.run, each.command) for each in tunings]
    in_workers = can_make_workers(factory)
    if not in_workers:
        torch_state.apply()
        if jobs > 1:
            logger.warning("one process makes all trials: helpers would lack the plugins of this one")
            jobs = 1
    workers = supervised(factory, runs, torch_state) if in_workers else nullcontext()
    with sigterm_as_interrupt(), workers:
        # Opened after workers' processes have been forked, since a database's connection is of one process.
        go_on = partial(search, tunings, open_storage(address), factory, print_trial if show else show_nothing)
        go_on(is_wanted=lambda: False)  # enters all trials before helpers look for them
        with helpers(jobs - 1, tunings, address, factory, show) as wait_for_all:
            records = go_on(fill=False)
            if failed := wait_for_all():
                logger.warning("%d helper processes failed; their trials were made by others", failed)
        return records if len(records) == len(tunings) else go_on(fill=False)
