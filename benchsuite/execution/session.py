"""All runs of one command: everything is checked before the first starts, and each ends in a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.errors import Problem, ShapeError, SpecError
from benchsuite.execution.allocator import steady_allocator
from benchsuite.execution.endings import InterruptedRunError, Loss
from benchsuite.execution.events import announce
from benchsuite.execution.executor import Executor, Place, Tell
from benchsuite.execution.interruption import termination_as_interrupt
from benchsuite.execution.record_building import LoadedData
from benchsuite.execution.run import Run
from benchsuite.networks.run_networks import outline_of_run
from benchsuite.records.model import RunRecord
from benchsuite.records.running import RunningElsewhereError
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import canonical_json
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.ranks import ALONE, Ranks, require_processes

# How often to look whether another process has finished a run that both were asked for.
POLL_S = 0.5


@dataclass
class SessionResult:
    """What a command's runs came to."""

    records: list[RunRecord] = field(default_factory=list)
    """One a run that has one, those found from earlier included."""
    reused: set[str] = field(default_factory=set)
    """Ids of runs that were finished before and not run again."""
    interrupted: bool = False


class Session:
    """Runs a list of selected runs: one after the other in this process or in several together, or by an executor."""

    def __init__(
        self,
        runs: Sequence[SelectedRun],
        store: RecordStore,
        registry: Registry,
        data_root: Path,
        fresh: bool = False,
        on_reuse: Callable[[RunRecord], None] = lambda record: None,
        ranks: Ranks = ALONE,
        executor: Executor | None = None,
    ) -> None:
        self.ranks = ranks
        self.executor = executor
        self.runs = runs
        self.store = store
        self.registry = registry
        self.data_root = data_root
        self.fresh = fresh
        self.on_reuse = on_reuse
        self._data: dict[str, LoadedData] = {}

    def check(self) -> None:
        """Load every data set and lay out every network, so that nothing is half run.

        Raises:
            DataError: if a data set is missing or damaged.
            HardwareError: if the processes that are there cannot share the runs.
            SpecError: if a network cannot be built for its data, or a diagnostic does not exist.

        """
        problems: dict[str, None] = {}
        for run in self.runs:
            dataset = self.data_of(run.spec).dataset
            require_processes(run.spec, self.ranks, len(dataset.train_targets))
            try:
                outline_of_run(run.spec, dataset.input_shape, dataset.classes, self.registry.architectures)
            except ShapeError as error:
                problems[f"architecture '{run.spec.architecture.name}' on {run.spec.dataset.name}: {error}"] = None
            for name in run.spec.diagnostics.names:
                self.registry.diagnostic(name)
        if problems:
            raise SpecError([Problem(message) for message in problems])

    def data_of(self, spec: RunSpec) -> LoadedData:
        """Return a run's data set, loaded once per session."""
        key = canonical_json(spec.dataset.model_dump(mode="json"))
        if key not in self._data:
            with self.ranks.one_by_one():
                dataset = load_dataset(spec.dataset, self.data_root, self.registry.datasets)
            self._data[key] = LoadedData(dataset, fingerprint(dataset))
        return self._data[key]

    def execute(self, tracking_uri: str | None = None) -> SessionResult:
        """Make all runs that have no final record yet.

        Raises:
            StoreError: if records cannot be written.

        """
        steady_allocator()
        self.store.prepare()
        result = SessionResult()
        specs = [run.spec for run in self.runs]
        context = {"store": self.store.root, "tracking_uri": tracking_uri}
        if self.ranks.leads:
            announce(self.registry.manager, "benchsuite_session_started", runs=specs, context=context)
        try:
            with termination_as_interrupt():
                if self.executor is not None:
                    self._make_elsewhere(self.executor, result)
                    return result
                waiting = [run for run in self.runs if not self._done(run, result)]
                while waiting:
                    # Several commands share a suite: what another is at is waited for, what it left behind is taken.
                    time.sleep(POLL_S)
                    waiting = [run for run in waiting if not self._done(run, result, again=True)]
        except InterruptedRunError as stop:
            result.records.append(stop.record)
            result.interrupted = True
        except KeyboardInterrupt:
            result.interrupted = True
        finally:
            if self.ranks.leads:
                announce(self.registry.manager, "benchsuite_session_finished", records=result.records)
        return result

    def _make_elsewhere(self, executor: Executor, result: SessionResult) -> None:
        """Have all runs made that have no final record yet, and tell plugins as they end."""
        tell: Tell = partial(announce, self.registry.manager)
        began = datetime.now(UTC)
        waiting = [run for run in self.runs if not self._found(self._run(run), result)]
        place = Place(self.store.root, self.data_root, self.fresh)
        executor.check(waiting, place)
        try:
            for record in executor.make(waiting, place, tell, self._lost):
                result.records.append(record)
                if record.status != "completed":
                    tell("benchsuite_run_failed", record=record)
                tell("benchsuite_run_finished", record=record, path=self.store.path_of(record.run_id))
        except KeyboardInterrupt:
            ended = {record.run_id for record in result.records}
            for run in (self._run(selected) for selected in waiting):
                left = self.store.find(run.id)
                # Interrupted, or at its end before the interruption reached it.
                if left and left.run_id not in ended and left.result_key == run.key and left.ended_at >= began:
                    result.records.append(left)
            raise

    def _lost(self, selected: SelectedRun, loss: Loss) -> RunRecord:
        return self._run(selected, tell=lambda event, **arguments: None).record_loss(loss)

    def _run(self, selected: SelectedRun, again: bool = False, tell: Tell | None = None) -> Run:
        data = self.data_of(selected.spec)
        return Run(selected, data, self.store, self.registry, self.fresh and not again, self.ranks, tell)

    def _found(self, run: Run, result: SessionResult) -> bool:
        """Return whether a run has its record from earlier, which is then among the results."""
        earlier = run.earlier_record()
        if earlier is not None:
            result.records.append(earlier)
            result.reused.add(earlier.run_id)
            self.on_reuse(earlier)
        return earlier is not None

    def _done(self, selected: SelectedRun, result: SessionResult, again: bool = False) -> bool:
        """Find or make one run's record; False if another live process is making it."""
        run = self._run(selected, again)
        if self._found(run, result):
            return True
        try:
            result.records.append(run.execute())
        except RunningElsewhereError:
            return False
        return True
