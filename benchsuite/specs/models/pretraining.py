"""A first training whose segments are kept, frozen, in the network of the run proper."""

from __future__ import annotations

from pydantic import Field, model_validator

from benchsuite.specs.models.architecture import ArchitectureSpec
from benchsuite.specs.models.base import SpecModel
from benchsuite.specs.models.protocol import OptimizerSpec


class PretrainingSpec(SpecModel):
    """Train a network, keep some of its segments as they are, and start all others anew.

    The URFB paper's untied experiments: a convolutional network is trained, its first segment frozen, the rest replaced
    by locally connected segments and drawn again. Same rule, data and loss in both; on the clock of the run.
    """

    epochs: int = Field(default=0, ge=0, le=100_000)
    """Of the first training; 0 for none."""
    keep: tuple[str, ...] = ()
    """Segments, by name, that are taken over from it and never change again; of one name and shape in both networks."""
    architecture: ArchitectureSpec | None = None
    """The network of the first training; the run's own if not given."""
    batch_size: int | None = Field(default=None, gt=0)
    """Of the first training; the protocol's if not given."""
    optimizer: OptimizerSpec | None = None
    """Of the first training; the protocol's if not given."""

    @model_validator(mode="after")
    def _keeps_what_it_trains(self) -> PretrainingSpec:
        if self.epochs and not self.keep:
            raise ValueError("a pretraining must keep at least one segment; name them in 'keep'")
        if self.keep and not self.epochs:
            raise ValueError("keeps segments of a pretraining of 0 epochs; give its epochs, or leave 'keep' out")
        return self
