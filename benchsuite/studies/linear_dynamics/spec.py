"""The spec of a study of kind ``linear_dynamics``."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from benchsuite.specs.models.base import PositiveFloat
from benchsuite.specs.models.study import SeedIndex, StudySpec

FeedbackRate = Annotated[float, Field(ge=0, le=1)]


class LinearDynamicsSpec(StudySpec):
    """Gradient flow of a deep linear network that learns one random matrix: URFB at several rates ε and backprop.

    The inputs are the unit vectors, so the error is E = T - W_k…W_1. The flow is integrated with Euler's scheme.

    Source: Amit 2019 (URFB), eq. 9 and section 5.1.
    """

    kind: Literal["linear_dynamics"]
    dimensions: tuple[Annotated[int, Field(gt=0, le=10_000)], ...] = Field(min_length=3, max_length=100)
    """Numbers of units of the input, each hidden layer and the output."""
    target_standard_deviation: PositiveFloat
    """Standard deviation of the entries of the random matrices, one per layer, whose product is T."""
    feedback_rates: tuple[FeedbackRate, ...] = Field(min_length=1, max_length=20)
    """The rates ε to run: 0 is FRFB, that is feedback alignment, and 1 is URFB; W starts at zero."""
    feedback_standard_deviation: PositiveFloat
    """Standard deviation of the initial entries of every R, normally distributed."""
    backprop_standard_deviation: PositiveFloat
    """Standard deviation of the initial entries of every W under backprop, normally distributed: zero weights would not
    change."""
    step_size: PositiveFloat
    """Step size Δt of Euler's scheme."""
    iterations: int = Field(gt=0, le=1_000_000)
    points: int = Field(default=100, gt=0, le=10_000)
    """Number of evenly spaced iterations to measure, besides the start; all if there are fewer."""
    seeds: tuple[SeedIndex, ...] = Field(default=(0, 1, 2), min_length=1, max_length=1000)
    """Seed indices; at one index all rates share T and the initial R, and backprop shares T."""

    @field_validator("feedback_rates")
    @classmethod
    def _rates_differ(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(values)) < len(values):
            raise ValueError("each of them once")
        return values

    @model_validator(mode="after")
    def _fits_in_memory(self) -> LinearDynamicsSpec:
        weights = sum(a * b for a, b in pairwise(self.dimensions))
        if weights > 50_000_000:
            raise ValueError(f"dimensions with {weights:,} weights; at most 50,000,000")
        return self

    @property
    def measured_iterations(self) -> tuple[int, ...]:
        """The iterations after which the error is measured, from 0 to the last."""
        points = min(self.points, self.iterations)
        return tuple(round(i * self.iterations / points) for i in range(points + 1))
