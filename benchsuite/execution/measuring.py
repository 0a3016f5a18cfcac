"""Evaluation of a network after an epoch, off the clock."""

from __future__ import annotations

from benchsuite.execution.state import RunState
from benchsuite.records.model import EpochMetrics
from benchsuite.training.trainer import Trainer


def is_due(run: RunState, epoch: int) -> bool:
    """Return True if the protocol evaluates after this epoch."""
    protocol = run.spec.protocol
    return epoch % protocol.evaluation.every_epochs == 0 or epoch == protocol.epochs


def evaluated(run: RunState, trainer: Trainer, metrics: EpochMetrics) -> EpochMetrics:
    """Return an epoch's metrics with those of the test set and, if the spec asks for them, the other sets."""
    due = is_due(run, metrics.epoch)
    with run.clock.measure("evaluation"):
        test = trainer.evaluate("test") if due and run.spec.has_test else None
        train = trainer.evaluate("train") if due and run.spec.protocol.evaluation.train_set else None
        held_out = trainer.evaluate("validation") if due and trainer.data.validation_examples else None
    return metrics.model_copy(update={"test": test, "train": train, "validation": held_out})


def lacks_a_measurement(run: RunState, metrics: EpochMetrics) -> bool:
    """Return True if an evaluation that was due has no metrics, because the loss was not finite."""
    if not is_due(run, metrics.epoch):
        return False
    needed = [metrics.test] if run.spec.has_test else []
    if run.spec.protocol.evaluation.train_set:
        needed.append(metrics.train)
    if run.spec.holds_out:
        needed.append(metrics.validation)
    return None in needed


def has_learned_all(run: RunState) -> bool:
    """Return True if the protocol stops at zero training error and the last epoch has reached it."""
    if not run.spec.protocol.stop_at_zero_train_error or not run.progress.epochs:
        return False
    train = run.progress.epochs[-1].train
    return train is not None and train.error == 0
