"""The result of a study of kind ``linear_dynamics``: one trajectory per seed and arm."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchsuite.records.model import RecordModel
from benchsuite.records.study import StudyResult
from benchsuite.specs.models.base import Name

Correlation = Annotated[float, Field(ge=-1, le=1)]


class Trajectory(RecordModel):
    """One rule with one seed, measured at the result's ``iterations`` up to where it stopped."""

    seed: int = Field(ge=0)
    rule: Name
    feedback_rate: float | None
    """ε of updated random feedback; None for a rule without feedback weights of its own."""
    status: Literal["completed", "diverged"]
    reason: str = ""
    """The reason for the status, unless completed."""
    squared_error: tuple[Annotated[float, Field(ge=0)], ...]
    """‖T - W_k…W_1‖², the sum over all entries."""
    correlations: tuple[tuple[Correlation | None, ...], ...] = ()
    """Pearson correlation of the entries of W_l and R_l^T, one curve per l from 1; None while W_l is still zero.
    Empty for a rule without feedback weights of its own."""

    @property
    def label(self) -> str:
        """Return the name of its row: the rule and, if it has one, its ε."""
        return self.rule if self.feedback_rate is None else f"{self.rule}, ε = {self.feedback_rate:g}"

    @property
    def final_log10_squared_error(self) -> float | None:
        """Return log10 of the last error; None unless completed, or if the error is exactly zero."""
        last = self.squared_error[-1] if self.status == "completed" else 0.0
        return math.log10(last) if last else None

    @property
    def final_correlations(self) -> tuple[float | None, ...]:
        """Return each layer's last correlation; None throughout unless completed."""
        return tuple(curve[-1] if self.status == "completed" else None for curve in self.correlations)


class LinearDynamicsResult(StudyResult):
    """All trajectories."""

    iterations: tuple[int, ...] = Field(min_length=1)
    """The number of steps before each measurement."""
    trajectories: tuple[Trajectory, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _curves_have_their_length(self) -> LinearDynamicsResult:
        for trajectory in self.trajectories:
            measured = len(trajectory.squared_error)
            complete = measured == len(self.iterations)
            if measured > len(self.iterations) or (trajectory.status == "completed") != complete:
                raise ValueError(f"{measured} errors of {trajectory.status} at {len(self.iterations)} iterations")
            if any(len(curve) != measured for curve in trajectory.correlations):
                raise ValueError(f"a curve of correlations has another length than the {measured} errors")
        return self
