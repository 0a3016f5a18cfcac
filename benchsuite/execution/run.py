"""Make one run from its spec to its record; every run that starts ends with a record."""

from __future__ import annotations

from pathlib import Path

from benchsuite.execution.endings import (
    InterruptedRunError,
    LostRun,
    ProcessLostError,
    ending_from_error,
    ending_of_training,
)
from benchsuite.execution.finishing import finish, finish_lost, send_run_ended
from benchsuite.execution.locking import run_lock
from benchsuite.execution.record_building import LoadedData, RunEnding
from benchsuite.execution.state import RunState, SendEvent, begin
from benchsuite.execution.training_loop import make
from benchsuite.records.model import FINAL_STATUSES, RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks
from benchsuite.training.seeds import global_streams_of_a_run

INTERRUPTED = RunEnding("interrupted", "stopped by the person or the system; run again to continue")


class Run:
    """One run: locked, trained, and always ended with a record.

    Args:
        selected: the run and its command.
        data: its data set.
        store: for its record and its checkpoint.
        registry: provides its rule and everything else that plugins contribute.
        fresh: True to ignore its earlier record and its checkpoint.
        ranks: the processes that share it.
        emit: sends an event to plugins; None to send through the registry's manager.

    """

    def __init__(
        self,
        selected: SelectedRun,
        data: LoadedData,
        store: RecordStore,
        registry: Registry,
        fresh: bool = False,
        ranks: Ranks = SINGLE_PROCESS,
        emit: SendEvent | None = None,
    ) -> None:
        self.state: RunState = begin(selected, data, store, registry, fresh, ranks, emit)
        self.spec = selected.spec
        self.found: RunRecord | None = None
        """Record that another command wrote just before this run was locked."""
        self.id, self.key = self.state.identity.run_id, self.state.identity.result_key

    @property
    def checkpoint_path(self) -> Path:
        """Path of this run's checkpoint while the run is not finished."""
        return self.state.checkpoint_path

    def earlier_record(self) -> RunRecord | None:
        """Return the final record of an earlier run with the same result key; None if none, or if ``fresh``."""
        run = self.state
        found = None if run.fresh or not run.ranks.is_rank0 else run.store.find(self.id)
        return run.ranks.broadcast_object(
            found if found and found.result_key == self.key and found.status in FINAL_STATUSES else None
        )

    def execute(self, *, unless_finished: bool = False) -> RunRecord:
        """Train until the run ends or is stopped, and write the record.

        Args:
            unless_finished: return the record instead if another command has finished the run by now: between the
                search for a record and the lock.

        Raises:
            InterruptedRunError: on Ctrl-C or SIGTERM, after the record has been written.
            StoreError: if the record cannot be written.
            RunningElsewhereError: if another live process is making this run.
            ProcessLostError: if one of several ranks failed, after the record has been written.

        """
        ranks = self.state.ranks
        with run_lock(self.id, self.state.store, ranks):
            self.found = self.earlier_record() if unless_finished else None
            if self.found is not None:
                return self.found
            try:
                ending, failure = self._train_to_an_end()
            except KeyboardInterrupt:  # during training, or while another ending was handled
                ending, failure = INTERRUPTED, None
            record = finish(self.state, ending)
        if ending is INTERRUPTED:
            raise InterruptedRunError(record)
        if failure is not None and ranks.world_size > 1:
            # The other ranks may wait for this one; torchrun ends them when this process is gone.
            if isinstance(failure, ProcessLostError):
                raise failure
            raise ProcessLostError(ranks.rank, record.reason) from failure
        return record

    def record_lost_run(self, loss: LostRun) -> RunRecord:
        """Write the record of this run after its process was lost, from what that process had saved.

        Raises:
            StoreError: if the record cannot be written.

        """
        return finish_lost(self.state, loss)

    def accept(self, record: RunRecord) -> RunRecord:
        """Return the record that this run's process had written before it was lost, after telling plugins of it."""
        send_run_ended(self.state, record, self.state.store.path_of(self.id))
        return record

    def _train_to_an_end(self) -> tuple[RunEnding, Exception | SystemExit | None]:
        """Train; return the ending, and the error if it is not a result of training."""
        try:
            self._train()
        except (Exception, SystemExit) as error:  # a rule may call sys.exit
            result = ending_of_training(error, self.spec.protocol)
            if result is not None:
                return result, None
            return ending_from_error(error, self.spec.hardware.device), error
        return RunEnding("completed"), None

    def _train(self) -> None:
        with global_streams_of_a_run(self.spec.seed):
            make(self.state)
