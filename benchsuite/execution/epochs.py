"""The loop that a run's pretraining and its training share: epochs on the clock, each with its sums and its time."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchsuite.execution.state import RunState
from benchsuite.records.model import EpochMetrics
from benchsuite.training.trainer import Trainer


def begin_training(run: RunState, trainer: Trainer) -> None:
    """Let the rule do, on the clock, what it does before the first batch."""
    with run.clock.measure("train"):
        trainer.begin()


def trained_epochs(run: RunState, trainer: Trainer, epochs: int) -> Iterator[EpochMetrics]:
    """Train up to so many epochs, and yield the running loss, error and time of each as it ends.

    Raises:
        TimeBudgetSpentError: when the protocol's time is over; the epoch then does not count.

    """
    while trainer.epoch < epochs:
        learning_rate = trainer.learning_rate
        with run.clock.measure("train"):
            sums = trainer.train_epoch(_deadline(run))
        # What a rule did before training is in the first epoch's time.
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


def _deadline(run: RunState) -> float | None:
    """Return when the run's time on the clock is over, on ``time.perf_counter``; None for no limit."""
    limit = run.spec.protocol.timeout_s
    return None if limit is None else time.perf_counter() + limit - run.clock.spent.get("train", 0.0)
