"""Session of one command: checks all runs before the first starts, then makes each that is possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.execution.events import send_event
from benchsuite.execution.interruption import sigterm_as_interrupt
from benchsuite.execution.local_runs import make_all
from benchsuite.execution.preflight import check_runs
from benchsuite.execution.remote_runs import make_elsewhere
from benchsuite.execution.run_factory import RunFactory
from benchsuite.execution.run_factory import SessionResult as SessionResult
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks

if TYPE_CHECKING:
    from benchsuite.execution.compatibility import RunWithShapes
    from benchsuite.execution.executor import Executor
    from benchsuite.execution.planned_run import RefusedPair


class Session:
    """Runs of one command, made one after the other (in this process or by several ranks) or by an executor.

    Attributes:
        runs: the selected runs; after ``check`` without the refused pairs.
        refused: pairs of rule and network that cannot work, each once; known after ``check``.
        checked: the runs with the shapes of their networks; known after ``check``.

    """

    def __init__(
        self,
        runs: Sequence[SelectedRun],
        store: RecordStore,
        registry: Registry,
        data_root: Path,
        fresh: bool = False,
        on_reuse: Callable[[RunRecord], None] = lambda record: None,
        ranks: Ranks = SINGLE_PROCESS,
        executor: Executor | None = None,
        on_replace: Callable[[RunRecord], None] = lambda record: None,
    ) -> None:
        self.runs = runs
        self.executor = executor
        self.refused: tuple[RefusedPair, ...] = ()
        self.checked: tuple[RunWithShapes, ...] = ()
        self.factory = RunFactory(store, registry, data_root, fresh, on_reuse, ranks, on_replace)

    def check(self) -> None:
        """Work out all networks' shapes, refuse impossible pairs and load the other runs' data, before anything starts.

        Raises:
            DataError: if a data set is missing or damaged.
            HardwareError: if the session's processes cannot share the runs.
            SpecError: if a network cannot be built for its data, or a diagnostic does not exist.

        """
        factory = self.factory
        found = check_runs(self.runs, factory.registry, factory.loader, factory.ranks)
        factory.prepare(found.runs)
        self.checked = found.runs
        self.runs = [run.selected for run in found.runs]
        self.refused = found.refused

    def execute(self, tracking_uri: str | None = None) -> SessionResult:
        """Make all runs that have no final record yet.

        Raises:
            StoreError: if records cannot be written.

        """
        result = SessionResult(refused=self.refused)
        if not self.runs:
            return result
        store, manager, is_rank0 = self.factory.store, self.factory.registry.manager, self.factory.ranks.is_rank0
        store.prepare()
        if is_rank0:
            specs = [run.spec for run in self.runs]
            context = {"store": store.root, "tracking_uri": tracking_uri}
            send_event(manager, "benchsuite_session_started", runs=specs, context=context)
        try:
            with sigterm_as_interrupt():
                if self.executor is not None:
                    make_elsewhere(self.factory, self.executor, self.runs, result)
                else:
                    make_all(self.factory, self.runs, result)
        except KeyboardInterrupt:
            result.interrupted = True
        finally:
            if is_rank0:
                send_event(manager, "benchsuite_session_finished", records=result.records)
        return result
