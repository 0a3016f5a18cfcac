"""Interface of what makes runs on this machine, one or several at the same time, and the one that uses this process."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch

from benchsuite.execution.run import Run
from benchsuite.records.model import RunRecord


@dataclass(frozen=True)
class MadeRun:
    """A run that has ended: with a record, or with an error."""

    run: Run
    record: RunRecord | None = None
    error: BaseException | None = None
    """``InterruptedRunError`` with a record, ``RunningElsewhereError``, or a failure such as ``StoreError``."""


class Maker(Protocol):
    """Maker of runs; up to ``at_once`` may have begun and not ended."""

    at_once: int

    def interrupted_once(self) -> AbstractContextManager[None]:
        """Return the context to call the other methods in: a first interruption is raised, further ones are ignored."""

    def begin(self, run: Run) -> None:
        """Begin a run."""

    def wait(self) -> list[MadeRun]:
        """Wait until a run that has begun ends; return those that have."""

    def stop(self) -> list[MadeRun]:
        """Interrupt all runs that have begun; return them when they have their records."""


class InlineMaker:
    """Maker of one run at a time in this process; see ``Maker``."""

    at_once = 1

    def __init__(self) -> None:
        self._begun: Run | None = None

    def interrupted_once(self) -> AbstractContextManager[None]:
        """Return an empty context: a run handles interruptions itself."""
        return nullcontext()

    def begin(self, run: Run) -> None:
        """Note the run; ``wait`` makes it."""
        self._begun = run

    def wait(self) -> list[MadeRun]:
        """Make the run that has begun."""
        run, self._begun = self._begun, None
        assert run is not None  # noqa: S101 - called after begin
        threads = torch.get_num_threads()
        try:
            return [MadeRun(run, run.execute(unless_finished=True))]
        except Exception as error:
            return [MadeRun(run, error=error)]
        finally:
            torch.set_num_threads(threads)  # a run sets its own

    def stop(self) -> list[MadeRun]:
        """Forget a run that has not been made."""
        self._begun = None
        return []
