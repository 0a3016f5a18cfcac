"""The workers of one run: a second one if the first dies; whatever ends them, the run has a record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime

from benchsuite.errors import InterruptedRunError, RunningElsewhereError
from benchsuite.execution.endings import LostRun
from benchsuite.execution.maker import MadeRun
from benchsuite.execution.run import Run
from benchsuite.execution.workers.attempt import Attempt
from benchsuite.execution.workers.messages import Request
from benchsuite.execution.workers.output import described_end, memory_kills, remove_if_empty, tail_of, was_killed
from benchsuite.execution.workers.server_handle import Server
from benchsuite.records.model import RunRecord

logger = logging.getLogger("benchsuite.execution")

ATTEMPTS = 2
"""Workers that one run may cost."""


class Making:
    """A run on its way through one or two workers.

    Attributes:
        attempt: the worker that makes it now.
        made: how it ended; None until then.

    """

    def __init__(self, run: Run, steps: Generator[Attempt, None, RunRecord]) -> None:
        self.run = run
        self.attempt: Attempt | None = None
        self.made: MadeRun | None = None
        self._steps = steps
        self.go_on()

    def go_on(self) -> None:
        """Begin with the first worker, or go on after one has ended."""
        self.attempt = None
        try:
            self.attempt = next(self._steps)
        except StopIteration as end:
            self.made = MadeRun(self.run, record=end.value)
        except BaseException as error:
            self.made = MadeRun(self.run, error=error)


def workers_of(run: Run, request: Request, server_now: Callable[[], Server]) -> Generator[Attempt, None, RunRecord]:
    """Yield each worker of a run until it has ended; return the record.

    Args:
        run: the run.
        request: for its first worker.
        server_now: returns a server that is alive.

    Raises:
        InterruptedRunError: if the worker was interrupted, after the record has been written.
        RunningElsewhereError: if another live process is making this run.
        StoreError: if the record cannot be written.

    """
    try:
        return (yield from _workers_of(run, request, server_now))
    finally:
        remove_if_empty(request.log)


def _workers_of(run: Run, request: Request, server_now: Callable[[], Server]) -> Generator[Attempt, None, RunRecord]:
    for left in reversed(range(ATTEMPTS)):
        began = datetime.now(UTC)
        kills = memory_kills()
        server = server_now()
        with server.in_use:
            attempt = Attempt(server, request, run.state.emit)
            yield attempt
        if attempt.outcome is not None:
            return _record_of(attempt, run)
        run.state.store.release_lock(run.id)
        if attempt.is_interrupted:
            loss = LostRun("stopped by the person or the system; its process had to be killed", "interrupted")
            raise InterruptedRunError(run.record_lost_run(replace(loss, output=tail_of(request.log))))
        found = run.state.store.find(run.id)
        if found and found.result_key == run.key and found.ended_at >= began:
            return run.accept(found)  # it died after its record was written
        loss = _loss(attempt, memory_kills() > kills)
        if left and loss.status == "crashed":
            logger.warning("the worker of %s %s; its run goes on in another", run.id, loss.reason)
            # What this session's first worker saved is used also if the command said to start afresh.
            request = replace(request, fresh=request.fresh and not attempt.began)
            continue
        break
    reason = f"its process {loss.reason}" if loss.status == "crashed" else loss.reason
    return run.record_lost_run(replace(loss, reason=reason, output=tail_of(request.log)))


def _record_of(attempt: Attempt, run: Run) -> RunRecord:
    """Return the record of a worker that has told its outcome, or raise what it met."""
    outcome = attempt.outcome
    assert outcome is not None  # noqa: S101 - asked by the caller
    if outcome.kind == "elsewhere":
        raise RunningElsewhereError(run.id)
    if outcome.kind == "interrupted":
        raise KeyboardInterrupt if outcome.record is None else InterruptedRunError(outcome.record)
    if outcome.error is not None:
        raise outcome.error
    assert outcome.record is not None  # noqa: S101 - the other kinds have one
    if outcome.kind == "found":
        run.found = outcome.record
    return outcome.record


def _loss(attempt: Attempt, memory_ran_out: bool) -> LostRun:
    """Return the status and the reason of a run whose worker has ended without an outcome."""
    if attempt.timed_out is not None:
        reason = f"{attempt.timed_out}; its process did not stop and was killed"
        return LostRun(reason, "timed_out", attempt.hardware)
    if attempt.status is None:
        return LostRun("was lost together with the server that started it", "crashed", attempt.hardware)
    if was_killed(attempt.status) and memory_ran_out:
        return LostRun("killed by the system for want of memory", "out_of_memory", attempt.hardware)
    return LostRun(described_end(attempt.status), "crashed", attempt.hardware)
