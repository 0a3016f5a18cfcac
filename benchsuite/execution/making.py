"""Make a session's runs one after the other, in this process, in workers, or in several ranks together."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.compatibility import RefusedPair, RunWithShapes
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.execution.executor import SendEvent
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.run import Run
from benchsuite.records.model import RunRecord
from benchsuite.records.running import RunningElsewhereError
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.ranks import Ranks

logger = logging.getLogger("benchsuite.execution")

# Seconds between checks if another process has finished a run that both were asked for.
POLL_S = 0.5


@dataclass
class SessionResult:
    """Result of a session: records and refused pairs."""

    records: list[RunRecord] = field(default_factory=list)
    """One per run that has a record, including earlier records that were found in the store."""
    reused: set[str] = field(default_factory=set)
    """Ids of runs that had a final record already and were not run again."""
    interrupted: bool = False
    refused: tuple[RefusedPair, ...] = ()
    """Pairs of rule and network that cannot work, each once; they were not run and have no record."""


class RunFactory:
    """Resources that all of a session's runs share, and the loop that makes them.

    Args:
        store: records and checkpoints.
        registry: provides rules and everything else that plugins contribute.
        data_root: folder of data sets.
        fresh: True to ignore earlier records and checkpoints.
        on_reuse: called with each earlier record that is reused.
        ranks: the processes that share each run.

    """

    def __init__(
        self,
        store: RecordStore,
        registry: Registry,
        data_root: Path,
        fresh: bool,
        on_reuse: Callable[[RunRecord], None],
        ranks: Ranks,
    ) -> None:
        self.store = store
        self.registry = registry
        self.loader = DataLoader(data_root, registry, ranks)
        self.fresh = fresh
        self.on_reuse = on_reuse
        self.ranks = ranks
        self.execute: Callable[[Run], RunRecord] = partial(Run.execute, unless_finished=True)
        """Makes one run and returns its record, here unless a supervisor of workers is put in its place."""
        self._known: dict[str, RunWithShapes] = {}
        self._waited_for: set[str] = set()

    def prepare(self, with_shapes: Sequence[RunWithShapes]) -> None:
        """Store the shapes of networks that are known already, so that they are not worked out again."""
        self._known = {run.selected.command: run for run in with_shapes}

    def run_of(self, selected: SelectedRun, again: bool = False, emit: SendEvent | None = None) -> Run:
        """Return a run that has not started; ``again`` if another process was making it, so a record may exist now."""
        data = self.loader.load(selected.spec.dataset)
        run = Run(selected, data, self.store, self.registry, self.fresh and not again, self.ranks, emit)
        known = self._known.get(selected.command)
        if known is not None and known.selected is selected:
            run.state.shapes = known.shapes
        return run

    def has_record(self, run: Run, result: SessionResult) -> bool:
        """Return True if a run has an earlier record; the record is then added to the results."""
        earlier = run.earlier_record()
        if earlier is not None:
            self._reuse(earlier, result)
        return earlier is not None

    def _reuse(self, record: RunRecord, result: SessionResult) -> None:
        result.records.append(record)
        result.reused.add(record.run_id)
        self.on_reuse(record)

    def make_all(self, runs: Sequence[SelectedRun], result: SessionResult) -> None:
        """Find or make the record of every run; wait for runs that another command is making.

        Raises:
            KeyboardInterrupt: if a run was interrupted; its record is among the results.
            StoreError: if a record cannot be written.

        """
        keep_freed_memory()
        try:
            waiting = [run for run in runs if not self._is_done(run, result)]
            while waiting:
                # Several commands may share a suite: wait for another command's runs; make what it left unfinished.
                time.sleep(POLL_S)
                waiting = [run for run in waiting if not self._is_done(run, result, again=True)]
        except InterruptedRunError as stop:
            result.records.append(stop.record)
            raise KeyboardInterrupt from stop

    def _is_done(self, selected: SelectedRun, result: SessionResult, again: bool = False) -> bool:
        """Find or make one run's record; False if another live process is making it."""
        run = self.run_of(selected, again)
        if self.has_record(run, result):
            return True
        try:
            record = self.execute(run)
        except RunningElsewhereError as error:
            if run.id not in self._waited_for:
                self._waited_for.add(run.id)
                logger.warning("waiting: %s", error)
            return False
        if run.found is None:
            result.records.append(record)
        else:
            self._reuse(record, result)
        return True
