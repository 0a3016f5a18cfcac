"""Lock each run, so that commands that share a store never make it at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchsuite.records.running import RunningElsewhereError, marked_running
from benchsuite.records.store import RecordStore
from benchsuite.training.ranks import Ranks


@contextmanager
def run_lock(run_id: str, store: RecordStore, ranks: Ranks) -> Iterator[None]:
    """Lock a run for the length of the block, on behalf of all ranks.

    Raises:
        RunningElsewhereError: on every rank, if another live process is making this run.

    """
    with ExitStack() as stack:
        taken = ""
        if ranks.is_rank0:
            try:
                stack.enter_context(marked_running(store.running_folder, run_id))
            except RunningElsewhereError as error:
                taken = str(error)
        if taken := ranks.broadcast_object(taken):
            raise RunningElsewhereError(taken)
        yield
