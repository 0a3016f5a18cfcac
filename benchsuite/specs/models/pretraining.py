"""Pretraining: a first training whose segments are kept, frozen, in the run's network."""

from __future__ import annotations

from pydantic import Field, model_validator

from benchsuite.specs.models.architecture import ArchitectureSpec
from benchsuite.specs.models.base import SpecModel
from benchsuite.specs.models.protocol import OptimizerSpec


class PretrainingSpec(SpecModel):
    """Train a network, freeze some of its segments, and start all others anew.

    As in the URFB paper's untied experiments: a convolutional network is trained, its first segment is frozen, and the
    rest is replaced by newly drawn locally connected segments. Both trainings use the same rule, data and loss, and
    both count in the run's time.
    """

    epochs: int = Field(default=0, ge=0, le=100_000)
    """Epochs of the pretraining; 0 for none."""
    keep: tuple[str, ...] = ()
    """Names of the segments to keep, frozen; they have the same name and shape in both networks."""
    architecture: ArchitectureSpec | None = None
    """Network of the pretraining; the run's network if not given."""
    batch_size: int | None = Field(default=None, gt=0)
    """Batch size of the pretraining; the protocol's if not given."""
    optimizer: OptimizerSpec | None = None
    """Optimizer of the pretraining; the protocol's if not given."""

    @model_validator(mode="after")
    def _keeps_what_it_trains(self) -> PretrainingSpec:
        if self.epochs and not self.keep:
            raise ValueError("a pretraining must keep at least one segment; name them in 'keep'")
        if self.keep and not self.epochs:
            raise ValueError("keeps segments of a pretraining of 0 epochs; give its epochs, or leave 'keep' out")
        return self
