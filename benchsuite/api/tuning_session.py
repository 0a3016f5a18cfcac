"""Make the trials of one request with helper processes, and write the records of tunings."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from benchsuite.api.session_options import SessionOptions
from benchsuite.api.tuning import Tunings
from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.interruption import sigterm_as_interrupt
from benchsuite.execution.preflight import check_runs
from benchsuite.execution.workers.starting import can_make_workers
from benchsuite.execution.workers.supervisor import supervised
from benchsuite.process import stdout_to_stderr
from benchsuite.records.tuning import TuningRecord
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.loading.resolve_tuning import SelectedTuning
from benchsuite.training.ranks import SINGLE_PROCESS
from benchsuite.tuning.helpers import helpers, print_trial, trial_factory
from benchsuite.tuning.search import search, searched
from benchsuite.tuning.storage import default_address

logger = logging.getLogger("benchsuite.tuning")


class TuningSession:
    """Tunings of one request.

    Args:
        tunings: the tunings.
        commands: the command that repeats each.
        options: store, data root and torch's state.
        registry: provides the rules.

    """

    def __init__(
        self, tunings: Sequence[SelectedTuning], commands: Sequence[str], options: SessionOptions, registry: Registry
    ) -> None:
        self.options = options
        self.runs = [SelectedRun(t.spec.run, command) for t, command in zip(tunings, commands, strict=True)]
        self.specs = {id(run): t.spec for run, t in zip(self.runs, tunings, strict=True)}
        self.factory = trial_factory(options.store.root, options.data_root, registry)

    def execute(self, storage: str | None, jobs: int, show: bool) -> Tunings:
        """Check all pairs of rule and network, make the trials that are left, and write the records.

        Raises:
            DataError: if a data set is missing or damaged.
            StoreError: if records cannot be written, or the storage cannot be opened.

        """
        factory, options = self.factory, self.options
        options.preparing.apply()
        with stdout_to_stderr():
            found = check_runs(self.runs, factory.registry, factory.loader, SINGLE_PROCESS)
        possible = [run.selected for run in found.runs]
        if not possible:
            return Tunings((), found.refused)
        tunings = [searched(self.specs[id(run)], run.command, factory) for run in possible]
        for folder in (options.store, factory.store):
            folder.prepare()
        address = storage or default_address(factory.store.root)
        keep_freed_memory()
        in_workers = can_make_workers(factory)
        if not in_workers:
            options.torch_state.apply()
            if jobs > 1:
                logger.warning("one process makes all trials: helpers would lack the plugins of this one")
                jobs = 1
        workers = supervised(factory, possible, options.torch_state) if in_workers else nullcontext()
        report = print_trial if show else _show_nothing
        records: list[TuningRecord] = []
        try:
            with sigterm_as_interrupt(), workers:
                # Entered by this process before helpers look for them.
                enter = partial(search, tunings, address, factory, report)
                enter(is_wanted=lambda: False)
                with helpers(jobs - 1, tunings, address, factory, show) as wait_for_all:
                    enter(fill=False)
                    if failed := wait_for_all():
                        logger.warning("%d helper processes failed; their trials were made by others", failed)
                records = enter(fill=False)
        except KeyboardInterrupt:
            return Tunings((), found.refused, interrupted=True, unfinished=len(tunings))
        for record in records:
            options.store.write_tuning(record)
        return Tunings(tuple(records), found.refused, unfinished=len(tunings) - len(records))


def _show_nothing(*_: object) -> None:
    """Show nothing of a trial."""
