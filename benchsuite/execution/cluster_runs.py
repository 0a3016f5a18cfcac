"""Runs of a session on their way through a cluster's workers: what executors of clusters share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from benchsuite.execution.endings import LostRun
from benchsuite.execution.executor import LostRunHandler, RunContext
from benchsuite.execution.interruption import interruptions_deferred
from benchsuite.records.model import RunRecord
from benchsuite.records.running import alive_run_ids
from benchsuite.records.store import RecordStore
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.resolve import SelectedRun

GRACE_S = 120.0
"""Time for runs to write their records after Ctrl-C: an evaluation is not interrupted."""

Handle = TypeVar("Handle")
"""A cluster's name for work that was submitted."""


@dataclass(frozen=True)
class Attempt:
    """One try at a run."""

    selected: SelectedRun
    number: int = 0
    """Number of workers that were lost with this run before."""
    not_before: float = 0.0
    """Time of ``time.monotonic`` before which not to try: another command is making the run."""

    @property
    def is_first(self) -> bool:
        """True if this session has not started the run before, and no other command was seen making it."""
        return not self.number and not self.not_before

    def context_in(self, context: RunContext) -> RunContext:
        """Return the context for its worker: a later attempt uses what an earlier one saved or finished.

        Also if the command said to start afresh.
        """
        return replace(context, fresh=context.fresh and self.is_first)


@dataclass(frozen=True)
class Cluster(Generic[Handle]):
    """Operations of a cluster that ``make_on_cluster`` needs.

    Attributes:
        submit: submits attempts, and returns each under its handle.
        wait: waits for a moment, and returns the handles that have ended.
        outcome_of: returns the record of an attempt that has ended, the next attempt, or the reason why there is none.
        forward_events: sends to plugins what workers have sent since the last call.
        cancel: asks the workers of these handles to end their runs as interrupted; later ones do not begin.
        poll_s: time between two looks at the cluster.
        is_held: returns True as long as an attempt should not be submitted.

    """

    submit: Callable[[Sequence[Attempt]], dict[Handle, Attempt]]
    wait: Callable[[list[Handle]], list[Handle]]
    outcome_of: Callable[[Handle, Attempt], RunRecord | Attempt | LostRun]
    forward_events: Callable[[], None]
    cancel: Callable[[list[Handle]], None]
    poll_s: float
    is_held: Callable[[Attempt], bool] = lambda attempt: False


def make_on_cluster(
    cluster: Cluster[Handle], runs: Sequence[SelectedRun], context: RunContext, lost: LostRunHandler
) -> Iterator[RunRecord]:
    """Yield records as runs end; an attempt that another follows is submitted again until there is a record.

    If the command is interrupted, the runs that have begun write their records before the exception goes on.
    """
    waiting = [Attempt(run) for run in runs]
    pending: dict[Handle, Attempt] = {}
    try:
        while waiting or pending:
            now = time.monotonic()
            due: list[Attempt] = []
            later: list[Attempt] = []
            for attempt in waiting:
                (later if attempt.not_before > now or cluster.is_held(attempt) else due).append(attempt)
            waiting = later
            if due:
                with interruptions_deferred():  # what is submitted must be known, to be cancelled
                    pending |= cluster.submit(due)
            ended = cluster.wait(list(pending)) if pending else _none_after(cluster.poll_s)
            cluster.forward_events()
            for handle in ended:
                attempt = pending.pop(handle)
                outcome = cluster.outcome_of(handle, attempt)
                if isinstance(outcome, Attempt):
                    waiting.append(outcome)
                elif isinstance(outcome, LostRun):
                    yield lost(attempt.selected, outcome)
                else:
                    yield outcome
    except BaseException:
        with interruptions_deferred():
            cluster.cancel(list(pending))
        # The cluster may call work cancelled before its worker has written; a lock goes after the record is written.
        _wait_until_ended({run_id(attempt.selected.spec) for attempt in pending.values()}, context, cluster.poll_s)
        cluster.forward_events()
        raise


def _none_after(seconds: float) -> list[Handle]:
    time.sleep(seconds)
    return []


def _wait_until_ended(run_ids: set[str], context: RunContext, poll_s: float) -> None:
    folder = RecordStore(context.store).running_folder
    deadline = time.monotonic() + GRACE_S
    while run_ids & alive_run_ids(folder) and time.monotonic() < deadline:
        time.sleep(poll_s)


def release_lock(attempt: Attempt, context: RunContext) -> None:
    """Release the lock of a lost process; another machine could not tell that the process is gone."""
    RecordStore(context.store).release_lock(run_id(attempt.selected.spec))


def is_being_made(attempt: Attempt, context: RunContext) -> bool:
    """Return True while a live process is making an attempt's run."""
    return run_id(attempt.selected.spec) in alive_run_ids(RecordStore(context.store).running_folder)
