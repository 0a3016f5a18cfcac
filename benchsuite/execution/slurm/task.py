"""Task of a SLURM job: make one run; when the job is to make room, save the run and requeue the job."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from benchsuite.errors import BenchsuiteError
from benchsuite.execution.endings import InterruptedRunError
from benchsuite.execution.executor import RunContext
from benchsuite.execution.interruption import forget_interruptions, interrupt
from benchsuite.execution.remote_worker import make_run_here
from benchsuite.execution.slurm.event_file import append_event
from benchsuite.execution.workers.messages import Outcome
from benchsuite.process import set_signal_handlers
from benchsuite.records.running import RunningElsewhereError
from benchsuite.specs.loading.resolve import SelectedRun

if TYPE_CHECKING:
    from submitit.core.utils import DelayedSubmission

ENDED_BY_SIGTERM = 128 + signal.SIGTERM


@dataclass
class StopSignals:
    """Signals that asked a job to stop.

    Attributes:
        came: their numbers.
        preemption: number of the signal before a preemption or the time limit.
        requeue: submitit's handler of that signal: it requeues the job and ends the process.

    """

    preemption: int
    requeue: Callable[[int, FrameType | None], object]
    came: set[int] = field(default_factory=set)


@contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """Raise ``KeyboardInterrupt`` at the first signal that asks to stop during the block, and note all of them."""
    from submitit import JobEnvironment

    number = getattr(signal, f"SIG{JobEnvironment.USR_SIG}")
    handler = signal.getsignal(number)
    assert callable(handler)  # noqa: S101 - submitit has set it before it calls a task
    stop = StopSignals(number, handler)

    def terminate(came: int, frame: FrameType | None) -> None:
        if came not in stop.came:
            stop.came.add(came)
            interrupt(came, frame)

    def preempt(came: int, _frame: FrameType | None) -> None:
        has_sigterm = signal.SIGTERM in stop.came  # which SLURM sends first
        stop.came.add(came)
        if not has_sigterm:
            signal.raise_signal(signal.SIGTERM)  # held back while a record is written

    forget_interruptions()
    before = {signal.SIGTERM: signal.getsignal(signal.SIGTERM), number: handler}
    try:
        set_signal_handlers({signal.SIGTERM: terminate, number: preempt})
        yield stop
    finally:
        forget_interruptions()
        set_signal_handlers(before)


def was_restarted() -> bool:
    """Return True if SLURM has begun this job before, as after a preemption or the loss of a machine."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") != "0"


@dataclass(frozen=True)
class SlurmTask:
    """One run as a job; submitit calls it on the job's machine.

    Attributes:
        selected: the run and its command.
        context: folders of the store and of data sets.
        events: file that gets the run's events.

    """

    selected: SelectedRun
    context: RunContext
    events: Path

    def __call__(self) -> Outcome:
        """Make the run and return its outcome.

        The process ends without an outcome if the run was interrupted: then SLURM or submitit has requeued the job, or
        the command finds the record.
        """
        with stop_signals() as stop:
            outcome = self._make(stop)
        if outcome.kind != "interrupted":
            return outcome
        if stop.preemption not in stop.came:
            raise SystemExit(ENDED_BY_SIGTERM)
        from submitit.core.utils import UncompletedJobError

        try:
            stop.requeue(stop.preemption, None)
        except UncompletedJobError:  # too many time limits; a later command continues the run
            return outcome
        raise SystemExit(ENDED_BY_SIGTERM)

    def checkpoint(self) -> DelayedSubmission:
        """Return the task of the requeued job, which continues from the run's checkpoint; called by submitit."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(replace(self, context=replace(self.context, fresh=False)))

    def _make(self, stop: StopSignals) -> Outcome:
        context = replace(self.context, fresh=self.context.fresh and not was_restarted())

        def emit(event: str, **arguments: object) -> None:
            with suppress(OSError):  # events are for the display; the run must not end for them
                append_event(self.events, event, arguments)
            if stop.came:
                # A KeyboardInterrupt that arrives during a callback of the interpreter is lost, so raise it here.
                raise KeyboardInterrupt

        try:
            return Outcome("made", make_run_here(self.selected, context, emit))
        except InterruptedRunError as interruption:
            return Outcome("interrupted", interruption.record)
        except KeyboardInterrupt:  # before the run began, or a second time after its record was written
            return Outcome("interrupted")
        except RunningElsewhereError:
            return Outcome("elsewhere")
        except BenchsuiteError as error:
            error.__cause__ = error.__context__ = None
            return Outcome("failed", error=error.with_traceback(None))
