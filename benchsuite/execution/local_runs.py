"""Make a session's runs on this machine: in this process, in workers, or in several ranks together."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.execution.maker import MadeRun
from benchsuite.execution.run import Run
from benchsuite.execution.run_factory import RunFactory, SessionResult
from benchsuite.records.running import RunningElsewhereError
from benchsuite.specs.loading.resolve import SelectedRun

logger = logging.getLogger("benchsuite.execution")

# Seconds between checks if another process has finished a run that both were asked for.
POLL_S = 0.5


def make_all(factory: RunFactory, runs: Sequence[SelectedRun], result: SessionResult) -> None:
    """Find or make the record of every run; wait for runs that another command is making.

    Raises:
        KeyboardInterrupt: if runs were interrupted; their records are among the results.
        StoreError: if a record cannot be written.

    """
    keep_freed_memory()
    makings = _Makings(factory, runs, result)
    with factory.maker.interrupted_once():
        try:
            while makings.are_left():
                makings.begin_due()
                makings.take(factory.maker.wait() if makings.active else [])
        except BaseException:
            with suppress(KeyboardInterrupt):
                makings.take(factory.maker.stop())
            raise


@dataclass(frozen=True)
class _Waiting:
    """A run that has not begun, and the time before which not to try: another command is making it."""

    selected: SelectedRun
    not_before: float = 0.0


class _Makings:
    """Runs of a session on their way to their records.

    Attributes:
        active: the runs that have begun and not ended.

    """

    def __init__(self, factory: RunFactory, runs: Sequence[SelectedRun], result: SessionResult) -> None:
        self.active: dict[Run, SelectedRun] = {}
        self._factory = factory
        self._result = result
        self._waiting = deque(map(_Waiting, runs))
        self._elsewhere: set[str] = set()
        """Ids of runs that another command was seen making."""

    def are_left(self) -> bool:
        """Return True if a run has no record yet."""
        return bool(self._waiting or self.active)

    def begin_due(self) -> None:
        """Begin as many runs as the maker makes at once; sleep for a moment if none can begin and none is active."""
        maker = self._factory.maker
        for _ in range(len(self._waiting)):
            if len(self.active) == maker.at_once:
                return
            entry = self._waiting.popleft()
            if entry.not_before > time.monotonic():
                self._waiting.append(entry)
                continue
            run = self._factory.run_of(entry.selected, again=entry.not_before > 0)
            if self._factory.has_record(run, self._result):
                continue
            if any(run.id == other.id for other in self.active):  # the same settings under another name
                self._waiting.append(_Waiting(entry.selected, time.monotonic() + POLL_S))
                continue
            self.active[run] = entry.selected
            maker.begin(run)
        if self._waiting and not self.active:
            time.sleep(POLL_S)

    def take(self, ended: Sequence[MadeRun]) -> None:
        """Enter how runs have ended.

        Raises:
            KeyboardInterrupt: if one was interrupted.
            StoreError: if a record could not be written; and any other failure.

        """
        interruption: BaseException | None = None
        failure: BaseException | None = None
        for made in ended:
            selected = self.active.pop(made.run)
            match made.error:
                case None:
                    assert made.record is not None  # noqa: S101 - there is no error
                    self._factory.enter(made.run, made.record, self._result)
                case RunningElsewhereError():
                    self._wait_for(made.run, selected, made.error)
                case InterruptedRunError():
                    self._result.records.append(made.error.record)
                    interruption = made.error
                case KeyboardInterrupt():
                    interruption = made.error
                case _:
                    failure = failure or made.error
        if failure is not None:
            raise failure
        if interruption is not None:
            raise KeyboardInterrupt from interruption

    def _wait_for(self, run: Run, selected: SelectedRun, error: RunningElsewhereError) -> None:
        """Look again later: several commands may share a suite, and one may leave a run unfinished."""
        if run.id not in self._elsewhere:
            self._elsewhere.add(run.id)
            logger.warning("waiting: %s", error)
        self._waiting.append(_Waiting(selected, time.monotonic() + POLL_S))
