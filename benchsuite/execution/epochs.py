"""Epoch loop shared by a run's pretraining and its main training: trains on the clock and yields metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchsuite.errors import NotCapturableError
from benchsuite.execution.interruption import raise_if_interrupted
from benchsuite.execution.state import RunState
from benchsuite.execution.step_reports import StepReports
from benchsuite.execution.unchanged_weights import UnchangedWeights
from benchsuite.records.model import EpochMetrics
from benchsuite.training.trainer import Trainer


def begin_training(run: RunState, trainer: Trainer) -> None:
    """Call the rule's ``before_training``, on the clock."""
    with run.clock.measure("train"):
        trainer.begin()


def trained_epochs(run: RunState, trainer: Trainer, epochs: int) -> Iterator[EpochMetrics]:
    """Train until the trainer has done ``epochs`` epochs; yield running loss, error and time as each ends.

    Raises:
        TimeBudgetSpentError: when the protocol's time budget is over; the epoch then does not count.

    """
    trainer.on_step = StepReports(run, trainer)
    unchanged = UnchangedWeights(run, trainer)
    while trainer.epoch < epochs:
        raise_if_interrupted()
        if trainer.recorded is not None and trainer.recorded.is_stale:
            _record_anew(run, trainer)
        learning_rate = trainer.learning_rate
        with run.clock.measure("train"):
            sums = trainer.train_epoch(_deadline(run))
        unchanged.look(trainer)
        # The first epoch's time includes the rule's work before training.
        before = sum(e.train_time_s for e in (*run.progress.pretraining, *run.progress.epochs))
        train_time = run.clock.spent["train"] - before
        yield EpochMetrics(
            epoch=trainer.epoch,
            learning_rate=learning_rate,
            running_loss=sums.loss if abs(sums.loss) < float("inf") else None,
            running_error=sums.error,
            train_time_s=train_time,
            images_per_s=sums.examples / max(train_time, 1e-9),
        )


def _record_anew(run: RunState, trainer: Trainer) -> None:
    """Record the step of a new stage, in which other segments learn; it is eager from here on if that fails."""
    assert trainer.recorded is not None  # noqa: S101 - the caller has looked
    with run.clock.measure("setup"):
        try:
            trainer.recorded.prepare()
        except NotCapturableError as error:
            trainer.recorded = None
            run.progress.remarks.append(f"steps are eager after epoch {trainer.epoch}: {error}")


def _deadline(run: RunState) -> float | None:
    """Return the time of ``time.perf_counter`` at which the run's time budget is over; None for no limit."""
    limit = run.spec.protocol.timeout_s
    return None if limit is None else time.perf_counter() + limit - run.clock.spent.get("train", 0.0)
