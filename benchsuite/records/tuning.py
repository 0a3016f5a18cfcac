"""The record of a tuning: one JSON document with its spec and every trial, also those that diverged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field

from benchsuite.records.model import DataUsed, Environment, Fraction, Hexadecimal, RecordModel, RunStatus
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.version import TUNING_SCHEMA_VERSION


class TrialResult(RecordModel):
    """One trial: its settings, and how its run ended."""

    number: int = Field(ge=0)
    """Number in the sequence of settings, from 0; finalists have the numbers after it, from best to worst."""
    settings: dict[str, float | int]
    """Value of each searched field."""
    run_id: Hexadecimal
    """Id of the trial's run."""
    seed: int = Field(ge=0)
    """Seed index of the run."""
    status: RunStatus
    """Divergence is a result, the worst one."""
    reason: str = Field(default="", max_length=1000)
    validation_error: Fraction | None
    """After the last epoch; None unless the run completed."""
    validation_loss: float | None
    """Decides between equal errors."""
    epochs: int = Field(ge=0)
    """Number of epochs that were finished."""
    train_time_s: float = Field(ge=0)
    wall_time_s: float = Field(ge=0)
    """Time of the run with setup and evaluation; of its last part, if it was resumed."""
    hardware_class: str

    @property
    def rank(self) -> tuple[float, float, int]:
        """Key that sorts trials from best to worst: by error, then loss, then number; not completed ones are last."""
        return (
            math.inf if self.validation_error is None else self.validation_error,
            math.inf if self.validation_loss is None else self.validation_loss,
            self.number,
        )


def best_of(trials: Iterable[TrialResult], count: int) -> list[TrialResult]:
    """Return the completed trials with the lowest validation errors, from best to worst."""
    completed = (trial for trial in trials if trial.validation_error is not None)
    return sorted(completed, key=lambda trial: trial.rank)[:count]


class TuningRecord(RecordModel):
    """The complete record of one tuning."""

    schema_version: Literal[1] = TUNING_SCHEMA_VERSION  # type: ignore[assignment]
    tuning_id: Hexadecimal
    spec_hash: Hexadecimal
    result_key: Hexadecimal
    """Hash of everything that can change the numbers: spec, code of plugins, data, versions."""
    spec: TuningSpec
    trials: tuple[TrialResult, ...]
    """All trials of the budget, by number; then the finalists."""
    data: DataUsed
    """Without test examples, which no trial has read."""
    environment: Environment
    started_at: datetime
    ended_at: datetime
    command: str
    """The command that repeats this tuning."""

    @property
    def sampled(self) -> tuple[TrialResult, ...]:
        """The trials of the sequence of settings, without the finalists."""
        return self.trials[: self.spec.budget.trials]

    @property
    def finalists(self) -> tuple[TrialResult, ...]:
        """The best trials' settings in runs of full length."""
        return self.trials[self.spec.budget.trials :]

    @property
    def best_sampled(self) -> TrialResult | None:
        """The completed trial of the sequence with the lowest validation error; None if none completed."""
        return next(iter(best_of(self.sampled, 1)), None)

    @property
    def best(self) -> TrialResult | None:
        """The trial whose settings are chosen: the best finalist, or the best trial if no finalist completed."""
        return next(iter(best_of(self.finalists, 1)), None) or self.best_sampled

    @property
    def precedence(self) -> tuple[int, datetime]:
        """Order of tunings of one search: the one with most trials counts, finalists included, then the latest."""
        return len(self.trials), self.ended_at

    @property
    def train_time_s(self) -> float:
        """Training time of all trials."""
        return sum(trial.train_time_s for trial in self.trials)
