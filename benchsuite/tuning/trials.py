"""Make trials: claim them from queues, make their runs as any run is made, and enter the results."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchsuite.errors import InterruptedRunError, RunningElsewhereError
from benchsuite.execution.run_factory import RunFactory
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.records.tuning import TrialResult
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.training.ranks import SINGLE_PROCESS
from benchsuite.tuning.queue import Claim, TrialQueue
from benchsuite.tuning.rounds import Rounds

POLL_S = 0.5

ReportTrial = Callable[[TuningSpec, TrialResult], None]
"""Called with the result of each trial that this process has made."""


def trial_factory(store: Path, data_root: Path, registry: Registry) -> RunFactory:
    """Return the maker of trials' runs; their records are apart from those of other runs."""
    return RunFactory(RecordStore(store / "trials"), registry, data_root, False, _ignore, SINGLE_PROCESS)


def store_of_tunings(factory: RunFactory) -> RecordStore:
    """Return the store in which the trials' own store lies; the records of tunings belong there."""
    return RecordStore(factory.store.root.parent)


def _ignore(record: RunRecord) -> None:
    """Take no notice of a trial whose run had been made before."""


def make_trials(
    tunings: Sequence[Rounds],
    factory: RunFactory,
    commands: Sequence[str],
    report: ReportTrial,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[int]:
    """Make trials until none is left: neither waiting, nor at a process that may be lost.

    Yields the place of a tuning after each trial of it that this process has made.

    Args:
        tunings: the trials of each tuning.
        factory: makes the runs; its store is for runs of trials.
        commands: the command that repeats each tuning, for the records of runs.
        report: called after each trial of this process.
        is_wanted: returns False if no further trial should begin.

    Raises:
        KeyboardInterrupt: if it was interrupted; the trial that was running is given back, and its run will continue.
        StoreError: if records cannot be written.

    """
    unfinished = list(zip(range(len(tunings)), tunings, commands, strict=True))
    while unfinished and is_wanted():
        for place, rounds, command in unfinished:
            queue = rounds.queue()
            claim = queue.claim()
            if claim is not None:
                report(queue.spec, _make(queue, claim, factory, command))
                yield place
                break
        else:
            queues = [rounds.queue() for _, rounds, _ in unfinished]
            is_busy = [queue.release_lost() > 0 or queue.has_waiting() for queue in queues]
            if any(is_busy) and not any(queue.has_waiting() for queue in queues):
                time.sleep(POLL_S)
            unfinished = [entry for entry, busy in zip(unfinished, is_busy, strict=True) if busy]


def _make(queue: TrialQueue, claim: Claim, factory: RunFactory, command: str) -> TrialResult:
    number = queue.first_number + claim.point
    spec = queue.spec.run_of_trial(number, claim.settings)
    try:
        with queue.kept_alive(claim):
            record = _record_of(SelectedRun(spec, command), factory)
    except InterruptedRunError as stop:
        queue.give_back(claim)
        raise KeyboardInterrupt from stop
    except BaseException:
        queue.give_back(claim)
        raise
    result = result_of(number, claim.settings, record)
    queue.enter_result(claim, result)
    return result


def _record_of(selected: SelectedRun, factory: RunFactory) -> RunRecord:
    """Find or make the record of a trial's run."""
    again = False
    while True:
        run = factory.run_of(selected, again, emit=_tell_nobody)
        if (found := run.earlier_record()) is not None:
            return found
        try:
            return factory.execute(run)
        except RunningElsewhereError:
            # The worker of a lost process may live for a moment, or another storage's tuning has the same run.
            again = True
            time.sleep(POLL_S)


def _tell_nobody(event: str, **arguments: object) -> None:
    """Take no notice of an event: plugins that show or mirror runs would take trials for results."""


def result_of(number: int, settings: dict[str, float | int], record: RunRecord) -> TrialResult:
    """Return a trial's result from the record of its run."""
    last = record.epochs[-1] if record.epochs else None
    measured = last.validation if last and record.status == "completed" else None
    return TrialResult(
        number=number,
        settings=settings,
        run_id=record.run_id,
        seed=record.spec.seed,
        status=record.status,
        reason=record.reason[:1000],
        validation_error=measured.error if measured else None,
        validation_loss=measured.loss if measured else None,
        epochs=len(record.epochs),
        train_time_s=record.timing.train_time_s,
        wall_time_s=max(0.0, (record.ended_at - record.started_at).total_seconds()),
        hardware_class=record.hardware.hardware_class,
    )


def print_trial(spec: TuningSpec, result: TrialResult) -> None:
    """Print a line about a trial on stderr."""
    settings = ", ".join(f"{name.rpartition('.')[2]} {value:g}" for name, value in result.settings.items())
    ended = result.status if result.validation_error is None else f"{100 * result.validation_error:.2f} % wrong"
    number, trials = result.number + 1, spec.budget.trials
    place = f"trial {number} of {trials}" if number <= trials else f"finalist {number - trials}"
    sys.stderr.write(f"{spec.run.track} {spec.run.rule.name} {place}: {ended} at {settings}\n")


def show_nothing(spec: TuningSpec, result: TrialResult) -> None:
    """Show nothing of a trial."""
