"""Planned comparisons of a track: the pairs of rows that are tested, chosen before any result is seen."""

from __future__ import annotations

from pydantic import Field

from benchsuite.specs.models.base import SpecModel
from benchsuite.specs.models.variant import RowName


class PlannedComparison(SpecModel):
    """One row, or every rule, against another row."""

    row: RowName | None = None
    """Name of a rule or a variant; every rule of the track if not given."""
    against: RowName
    """Name of the rule or variant whose error is subtracted."""


class ComparisonPlan(SpecModel):
    """The comparisons that get a p-value, corrected by Holm's method over all of them; it changes no run."""

    derived: bool = True
    """True for each rule against backprop and against training the readout alone, in the same network."""
    pairs: tuple[PlannedComparison, ...] = Field(default=(), max_length=100)
    """Further comparisons; all there are if ``derived`` is false."""
