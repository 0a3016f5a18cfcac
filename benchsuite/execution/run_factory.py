"""Resources that a session's runs share, and its results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.execution.compatibility import RunWithShapes
from benchsuite.execution.executor import SendEvent
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.maker import InlineMaker, Maker
from benchsuite.execution.planned_run import RefusedPair
from benchsuite.execution.run import Run
from benchsuite.records.model import FINAL_STATUSES, RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.ranks import Ranks


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
    """Resources that all of a session's runs share, and the maker that makes them.

    Args:
        store: records and checkpoints.
        registry: provides rules and everything else that plugins contribute.
        data_root: folder of data sets.
        fresh: True to ignore earlier records and checkpoints.
        on_reuse: called with each earlier record that is reused.
        ranks: the processes that share each run.
        on_replace: called with each final record of other code or data, whose run is made again.

    """

    def __init__(
        self,
        store: RecordStore,
        registry: Registry,
        data_root: Path,
        fresh: bool,
        on_reuse: Callable[[RunRecord], None],
        ranks: Ranks,
        on_replace: Callable[[RunRecord], None] = lambda record: None,
    ) -> None:
        self.store = store
        self.registry = registry
        self.loader = DataLoader(data_root, registry, ranks)
        self.fresh = fresh
        self.on_reuse = on_reuse
        self.ranks = ranks
        self.on_replace = on_replace
        self.maker: Maker = InlineMaker()
        """Makes the runs: in this process unless another is put in its place."""
        self._known: dict[str, RunWithShapes] = {}

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
        elif not self.fresh and self.ranks.is_rank0:
            other = self.store.find(run.id)
            if other is not None and other.status in FINAL_STATUSES and other.result_key != run.key:
                self.on_replace(other)
        return earlier is not None

    def enter(self, run: Run, record: RunRecord, result: SessionResult) -> None:
        """Add the record of a run that was made to the results, or found when its turn came."""
        if run.found is None:
            result.records.append(record)
        else:
            self._reuse(record, result)

    def _reuse(self, record: RunRecord, result: SessionResult) -> None:
        result.records.append(record)
        result.reused.add(record.run_id)
        self.on_reuse(record)

    def execute(self, run: Run) -> RunRecord:
        """Make one run and return its record.

        Raises:
            InterruptedRunError: if this process or the run's was interrupted, after the record has been written.
            RunningElsewhereError: if another live process is making this run.
            StoreError: if the record cannot be written.

        """
        with self.maker.interrupted_once():
            try:
                self.maker.begin(run)
                (made,) = self.maker.wait()
            except BaseException:
                for stopped in self.maker.stop():
                    if stopped.error is not None:
                        raise stopped.error from None
                raise
        if made.error is not None:
            raise made.error
        assert made.record is not None  # noqa: S101 - there is no error
        return made.record
