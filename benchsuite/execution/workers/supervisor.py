"""Make a session's runs in workers, one or several at the same time."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchsuite.execution.interruption import interrupted_once, interruptions_deferred
from benchsuite.execution.maker import MadeRun
from benchsuite.execution.run import Run
from benchsuite.execution.run_factory import RunFactory
from benchsuite.execution.workers.attempt import Attempt, follow
from benchsuite.execution.workers.attempts import Making, workers_of
from benchsuite.execution.workers.isolation import TorchState
from benchsuite.execution.workers.messages import Request
from benchsuite.execution.workers.server_handle import Server
from benchsuite.execution.workers.starting import forget_fresh_server, fork_server, fresh_server, may_fork_here
from benchsuite.records.model import RunRecord
from benchsuite.specs.loading.resolve import SelectedRun


class Supervisor:
    """Maker of runs in workers; see ``Maker``.

    Args:
        factory: the session's; a forked server has all that it holds.
        forked: a server that was forked from this process; None to use a fresh one.
        torch_state: torch's global state, as each run should find it.
        at_once: number of runs that are made at the same time.

    """

    def __init__(self, factory: RunFactory, forked: Server | None, torch_state: TorchState, at_once: int = 1) -> None:
        self.factory = factory
        self.torch_state = torch_state
        self.at_once = at_once
        self._forked = forked
        self._makings: list[Making] = []

    def interrupted_once(self) -> AbstractContextManager[None]:
        """Return a context in which a second interruption is ignored, until the runs have their records."""
        return interrupted_once()

    def begin(self, run: Run) -> None:
        """Begin a run in a worker; a run whose worker dies goes on in a second one."""
        with interruptions_deferred():  # the worker must not be left alone
            self._makings.append(Making(run, self._steps(run)))

    def wait(self) -> list[MadeRun]:
        """Wait until a run ends; return those that have. An interruption leaves all as they are, for ``stop``."""
        while not any(making.made for making in self._makings):
            self._follow()
        ended = [making for making in self._makings if making.made is not None]
        self._makings = [making for making in self._makings if making.made is None]
        return [making.made for making in ended if making.made is not None]

    def stop(self) -> list[MadeRun]:
        """Interrupt all runs and return them when they have their records."""
        for making in self._makings:
            if making.attempt is not None:
                making.attempt.interrupt()
        while any(making.made is None for making in self._makings):
            # The plugin of an event may raise this too.
            with suppress(KeyboardInterrupt):
                self._follow()
        ended, self._makings = self._makings, []
        return [making.made for making in ended if making.made is not None]

    def _follow(self) -> None:
        """Pass messages on until a worker has ended, and go on with its run."""
        attempts = {making.attempt: making for making in self._makings if making.attempt is not None}
        follow(list(attempts))
        for attempt, making in attempts.items():
            if attempt.has_ended:
                attempt.read_the_rest()
                with interruptions_deferred():  # nor the second one
                    making.go_on()

    def _steps(self, run: Run) -> Generator[Attempt, None, RunRecord]:
        """Return the workers of a run, which end with its record; see ``workers_of``."""
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
            at_once=self.at_once,
        )
        return workers_of(run, request, self._server)

    def _server(self) -> Server:
        """Return the server; a fresh one if the forked one was lost."""
        if self._forked is not None and not self._forked.is_lost:
            return self._forked
        server = fresh_server()
        if server.is_lost:
            forget_fresh_server()
            server = fresh_server()
        return server


@contextmanager
def supervised(
    factory: RunFactory, runs: Sequence[SelectedRun], torch_state: TorchState, at_once: int = 1
) -> Iterator[None]:
    """Make a factory's runs in workers, for the length of the block.

    With several at the same time, each run gets its share of torch's threads, unless its hardware spec says how many.
    Enter it when all checks are done and nothing else has begun, so that this process can be forked.
    """
    forked: Server | None = None
    if may_fork_here({run.spec.hardware.device for run in runs}):
        forked = _fork(factory, runs)
    torch_state.apply()
    share = replace(torch_state, threads=max(1, torch_state.threads // at_once))
    factory.maker = Supervisor(factory, forked, share, at_once)
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
