"""Optimizers, with multiples of the learning rate by segment."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchsuite.specs.models.base import PositiveFloat, Probability, SpecModel


class _WithRates(SpecModel):
    """Multiples of the learning rate, by segment."""

    omit_default_from_hash = frozenset({"rates"})

    rates: dict[str, PositiveFloat] = Field(default_factory=dict)
    """Multiples of the learning rate by segment, each for a name or a pattern such as ``conv*``. The first pattern that
    fits a segment counts; where none does, the multiple is 1."""

    def rate_of(self, segment: str) -> float:
        """Return the multiple for a segment."""
        return next((rate for pattern, rate in self.rates.items() if fnmatchcase(segment, pattern)), 1.0)

    def unused_rates(self, segments: Collection[str]) -> list[str]:
        """Return the patterns that fit no segment."""
        return [pattern for pattern in self.rates if not any(fnmatchcase(name, pattern) for name in segments)]


class Sgd(_WithRates):
    """Stochastic gradient descent as in ``torch.optim.SGD``: weight decay is added to the gradient."""

    kind: Literal["sgd"]
    learning_rate: PositiveFloat
    momentum: Probability = 0.0
    nesterov: bool = False
    weight_decay: float = Field(default=0.0, ge=0)

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0")
        return self


class Adam(_WithRates):
    """Adam (weight decay added to the gradient) or AdamW (decoupled decay), as in ``torch.optim``."""

    kind: Literal["adam", "adamw"]
    learning_rate: PositiveFloat
    beta1: Probability = 0.9
    beta2: Probability = 0.999
    epsilon: PositiveFloat = 1e-8
    weight_decay: float = Field(default=0.0, ge=0)


OptimizerSpec = Annotated[Sgd | Adam, Field(discriminator="kind")]
