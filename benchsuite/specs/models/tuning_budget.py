"""Tuning budgets and search spaces: how many settings are tried per rule, and in which ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field, model_validator

from benchsuite.specs.models.base import SpecModel

TUNING_SEED = 1000
"""Seed index of all trials' runs unless a budget sets another; final runs use the first indices."""

DECADES = 2
"""Width of a tunable field's range in powers of ten, unless the rule gives bounds."""


class TuningBudget(SpecModel):
    """Amount of tuning per rule, the same for all rules of a track."""

    omit_default_from_hash: ClassVar[frozenset[str]] = frozenset({"finalists", "final_epochs"})

    trials: int = Field(default=16, gt=0, le=1024)
    """Settings tried per rule. Powers of two cover a range most evenly."""
    epochs: int | None = Field(default=None, gt=0)
    """Epochs per trial; those of the track at its tier if not given."""
    finalists: int = Field(default=0, ge=0, le=64)
    """Number of trials whose settings are tried again in a run of full length, those with the lowest errors; the best
    of these is chosen. With 0 the best trial is. A rate that is best after a few epochs can fail in a longer run."""
    final_epochs: int | None = Field(default=None, gt=0)
    """Epochs of a finalist's run; those of the track at its tier if not given."""
    sampler_seed: int = Field(default=0, ge=0)
    """Seed of the sequence of settings."""
    seed: int = Field(default=TUNING_SEED, ge=0, lt=2**31)
    """Seed index of every trial: all trials of all rules share network, order of examples and dropout. No final run
    should use it."""

    @property
    def words(self) -> str:
        """The amount of tuning in words: ``16 trials``, ``16 trials, 4 finalists``."""
        parts = [(self.trials, "trial"), (self.finalists, "finalist")]
        return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in parts if count)

    @model_validator(mode="after")
    def _has_finalists_among_its_trials(self) -> TuningBudget:
        if self.finalists > self.trials:
            raise ValueError(f"finalists: {self.finalists}, but there are {self.trials} trials to choose them from")
        if self.final_epochs is not None and not self.finalists:
            raise ValueError("final_epochs: there are no finalists; expected finalists: a number above 0")
        return self


class SearchDimension(SpecModel):
    """One setting that is searched, and its range."""

    field: str
    """``protocol.optimizer.learning_rate``, or ``rule.config.`` and the name of a hyperparameter."""
    low: float
    high: float
    log: bool = True
    """Search the logarithm of the value."""
    integer: bool = False
    """Round to the nearest whole number."""
    changes_work: bool = False
    """The setting changes the work of a training step, so that a time at another value says nothing. Not hashed."""

    @model_validator(mode="after")
    def _is_a_range(self) -> SearchDimension:
        if self.low >= self.high:
            raise ValueError(f"{self.field}: low {self.low:g} must be below high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"{self.field}: a logarithmic range must be above 0, found {self.low:g}")
        return self

    def at(self, fraction: float) -> float | int:
        """Return the value at a fraction of the range, to 6 significant digits; 0.5 is the middle."""
        if self.log:
            value = math.exp(math.log(self.low) + fraction * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + fraction * (self.high - self.low)
        return round(value) if self.integer else float(f"{value:.6g}")


@dataclass(frozen=True)
class Tunable:
    """Mark of a hyperparameter that tuning searches beside the learning rate; see ``tunable``."""

    low: float | None
    high: float | None
    log: bool
    changes_work: bool

    def range_around(self, default: object) -> tuple[float, float]:
        """Return the bounds; those that are not given are a decade from the field's default.

        Raises:
            ValueError: if they are needed and the default is no number above 0.
        """
        if self.low is not None and self.high is not None:
            return self.low, self.high
        if isinstance(default, bool) or not isinstance(default, int | float) or default <= 0:
            raise ValueError(f"its default is {default!r}; give tunable() both bounds, or a default above 0")
        factor = 10 ** (DECADES / 2)
        return self.low or default / factor, self.high or default * factor


def tunable(
    low: float | None = None, high: float | None = None, *, log: bool = True, changes_work: bool = False
) -> Tunable:
    """Mark a numeric field of a rule's ``Config`` to be searched by `benchsuite tune`.

    Without bounds the range is a decade on either side of the field's default. The number of trials stays the same, so
    mark few fields: those that a user of the rule would have to set.

    Args:
        low: the smallest value.
        high: the largest value.
        log: True to search the logarithm; False for fractions and the like.
        changes_work: True if a training step does more or less work at another value, as with a share of the steps.
            Whole numbers always count so. The board takes the time of other settings from any value.

    Example:
        >>> from typing import Annotated
        >>> class MyConfig(RuleConfig):
        ...     target_step: Annotated[float, tunable()] = Field(default=0.01, gt=0)
        ...     density: Annotated[float, tunable(0.1, 1, log=False)] = Field(default=1, gt=0, le=1)

    """
    return Tunable(low, high, log, changes_work)
