"""One run from its spec to its record. However it ends, there is a record."""

from __future__ import annotations

from pathlib import Path

from benchsuite.execution.endings import (
    InterruptedRunError,
    LostRun,
    ProcessLostError,
    ending_from_error,
    ending_of_training,
)
from benchsuite.execution.executor import SendEvent
from benchsuite.execution.finishing import FINAL_STATUSES, finish, finish_lost
from benchsuite.execution.locking import claimed
from benchsuite.execution.record_building import LoadedData, RunEnding
from benchsuite.execution.state import RunState, begin
from benchsuite.execution.training_loop import make
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks

INTERRUPTED = RunEnding("interrupted", "stopped by the person or the system; run again to continue")


class Run:
    """One run being made: claimed, trained, and always ended in a record.

    Args:
        selected: the run and its command.
        data: its data set.
        store: where its record and its checkpoint go.
        registry: for its rule and for what plugins contribute.
        fresh: whether its earlier record and its checkpoint are ignored.
        ranks: the processes that make it together.
        tell: tells plugins an event; the registry's manager if not given.

    """

    def __init__(
        self,
        selected: SelectedRun,
        data: LoadedData,
        store: RecordStore,
        registry: Registry,
        fresh: bool = False,
        ranks: Ranks = SINGLE_PROCESS,
        tell: SendEvent | None = None,
    ) -> None:
        self.state: RunState = begin(selected, data, store, registry, fresh, ranks, tell)
        self.spec = selected.spec
        self.id, self.key = self.state.identity.run_id, self.state.identity.result_key

    @property
    def checkpoint_path(self) -> Path:
        """Where this run's state is kept while it is not finished."""
        return self.state.checkpoint_path

    def earlier_record(self) -> RunRecord | None:
        """Return the record of an earlier run of the same key that another try would only repeat."""
        run = self.state
        found = None if run.fresh or not run.ranks.is_rank0 else run.store.find(self.id)
        return run.ranks.broadcast_object(
            found if found and found.result_key == self.key and found.status in FINAL_STATUSES else None
        )

    def execute(self) -> RunRecord:
        """Train to the end, or to whatever stops it, and write the record.

        Raises:
            InterruptedRunError: on Ctrl-C or SIGTERM, after the record has been written.
            StoreError: if the record cannot be written.
            RunningElsewhereError: if another live process is at this run.
            ProcessLostError: if several processes were at it and one failed, after the record has been written.

        """
        ranks = self.state.ranks
        with claimed(self.id, self.state.store, ranks):
            try:
                ending, failure = self._train_to_an_end()
            except KeyboardInterrupt:  # of training, or of what is done about another end
                ending, failure = INTERRUPTED, None
            record = finish(self.state, ending)
        if ending is INTERRUPTED:
            raise InterruptedRunError(record)
        if failure is not None and ranks.world_size > 1:
            # The others may be waiting for this process; torchrun ends them when it is gone.
            raise ProcessLostError(ranks.rank, record.reason) from failure
        return record

    def record_lost_run(self, loss: LostRun) -> RunRecord:
        """Write the record of this run after the process that was making it is gone, with what it had saved.

        Raises:
            StoreError: if the record cannot be written.

        """
        return finish_lost(self.state, loss)

    def _train_to_an_end(self) -> tuple[RunEnding, Exception | None]:
        """Train, and return how that ended and the error that ended it where that is nobody's result."""
        try:
            self._train()
        except Exception as error:
            result = ending_of_training(error, self.spec.protocol)
            if result is not None:
                return result, None
            return ending_from_error(error, self.spec.hardware.device), error
        return RunEnding("completed"), None

    def _train(self) -> None:
        make(self.state)
