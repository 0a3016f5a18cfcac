"""Thresholds of the checks that say whether a row's rule has really learnt."""

from __future__ import annotations

from pydantic import Field

from benchsuite.specs.models.base import SpecModel


class ValiditySpec(SpecModel):
    """Thresholds of a track's validity checks; they judge measurements and change no run."""

    activation_factor: float = Field(default=100.0, gt=1)
    """Most that a hidden segment's activation norm may grow or shrink by, relative to its start. Logits have to
    grow, and backprop with Adam makes hidden norms of a small sound network 20 times as large."""
    credit_factor: float = Field(default=100.0, gt=1)
    """The same for its credit norm as a multiple of the readout's, which takes out that errors fall in training."""
    weight_factor: float = Field(default=10.0, gt=1)
    """The same for the weight norm of every segment."""
    example_fraction: float = Field(default=0.5, ge=0, le=1)
    """Least share of examples with a true gradient: an angle over fewer is of a minority."""
    unit_fraction: float = Field(default=0.5, ge=0, le=1)
    """Least share of units with a true gradient: below it most of a segment is dead."""
    depth_gain: float = Field(default=0.0, ge=0, lt=1)
    """Least test error, as a fraction, that hidden segments must save: the 95 % interval has to lie above it."""
    backprop_angle_deg: float = Field(default=5.0, gt=0, lt=90)
    """Largest angle between a rule's updates and backprop's at which they count as the same."""
