"""Make a session's runs in workers, one after the other; whatever ends a worker, its run has a record."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchsuite.errors import InterruptedRunError, RunningElsewhereError
from benchsuite.execution.endings import LostRun
from benchsuite.execution.interruption import interrupted_once
from benchsuite.execution.making import RunFactory
from benchsuite.execution.run import Run
from benchsuite.execution.workers.attempt import Attempt
from benchsuite.execution.workers.isolation import TorchState
from benchsuite.execution.workers.messages import Request
from benchsuite.execution.workers.output import described_end, memory_kills, remove_if_empty, tail_of, was_killed
from benchsuite.execution.workers.starting import Server, forget_fresh_server, fork_server, fresh_server, may_fork_here
from benchsuite.records.model import RunRecord
from benchsuite.specs.loading.resolve import SelectedRun

logger = logging.getLogger("benchsuite.execution")

ATTEMPTS = 2
"""Workers that one run may cost."""


class Supervisor:
    """Maker of runs in workers.

    Args:
        factory: the session's; a forked server has all that it holds.
        forked: a server that was forked from this process; None to use a fresh one.
        torch_state: torch's global state, as each run should find it.

    """

    def __init__(self, factory: RunFactory, forked: Server | None, torch_state: TorchState) -> None:
        self.factory = factory
        self.torch_state = torch_state
        self._forked = forked

    def make(self, run: Run) -> RunRecord:
        """Make a run in a worker and return its record; a run whose worker dies goes on in a second one.

        Raises:
            InterruptedRunError: if this process or the worker was interrupted, after the record has been written.
            RunningElsewhereError: if another live process is making this run.
            StoreError: if the record cannot be written.

        """
        state = run.state
        log = state.store.log_path_of(run.id)
        resumes = not state.fresh and run.checkpoint_path.exists()
        if not resumes:
            with suppress(OSError):
                log.unlink(missing_ok=True)
        request = Request(
            selected=SelectedRun(run.spec, state.identity.command),
            store=state.store.root,
            data_root=self.factory.loader.data_root,
            fresh=state.fresh,
            remake=state.fresh,
            log=log,
            torch_state=self.torch_state,
            environment=dict(os.environ),
            folder=Path.cwd(),
        )
        try:
            with interrupted_once():
                return self._make(run, request)
        finally:
            remove_if_empty(log)

    def _make(self, run: Run, request: Request) -> RunRecord:
        for left in reversed(range(ATTEMPTS)):
            began = datetime.now(UTC)
            kills = memory_kills()
            server = self._server()
            with server.in_use:
                attempt = Attempt(server, request, run.state.emit)
                try:
                    attempt.follow()
                except KeyboardInterrupt:
                    raise self._interrupted(attempt, run, request) from None
                except BaseException:  # of an event's plugin: the worker must not be left alone
                    self._interrupted(attempt, run, request)
                    raise
            if attempt.outcome is not None:
                return _record_of(attempt, run)
            run.state.store.release_lock(run.id)
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

    def _server(self) -> Server:
        """Return the server; a fresh one if the forked one was lost."""
        if self._forked is not None and not self._forked.is_lost:
            return self._forked
        server = fresh_server()
        if server.is_lost:
            forget_fresh_server()
            server = fresh_server()
        return server

    def _interrupted(self, attempt: Attempt, run: Run, request: Request) -> BaseException:
        """Let the worker write its record, and return the exception with it."""
        attempt.interrupt()
        finished = False
        while not finished:
            # The plugin of an event may raise this too.
            with suppress(KeyboardInterrupt):
                attempt.follow()
                finished = True
        outcome = attempt.outcome
        if outcome is not None and outcome.record is not None:
            return InterruptedRunError(outcome.record)
        if outcome is not None:
            return outcome.error or KeyboardInterrupt()
        run.state.store.release_lock(run.id)
        loss = LostRun("stopped by the person or the system; its process had to be killed", "interrupted")
        return InterruptedRunError(run.record_lost_run(replace(loss, output=tail_of(request.log))))


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


@contextmanager
def supervised(factory: RunFactory, runs: Sequence[SelectedRun], torch_state: TorchState) -> Iterator[None]:
    """Make a factory's runs in workers, for the length of the block.

    Enter it when all checks are done and nothing else has begun, so that this process can be forked.
    """
    forked: Server | None = None
    if may_fork_here({run.spec.hardware.device for run in runs}):
        forked = _fork(factory, runs)
    torch_state.apply()
    factory.execute = Supervisor(factory, forked, torch_state).make
    try:
        yield
    finally:
        if forked is not None:
            forked.close()


def _fork(factory: RunFactory, runs: Sequence[SelectedRun]) -> Server:
    for run in runs[:1]:
        factory.run_of(run)  # so that workers inherit what is found out once per process, such as the checkout's state

    def make_run_state(request: Request, emit: Any) -> Run:
        factory.fresh = request.fresh
        return factory.run_of(request.selected, emit=emit)

    return fork_server(lambda request: None, make_run_state)
