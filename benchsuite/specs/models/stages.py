"""Stages of training: which segments learn in which part of the epochs, one stage after the other."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import accumulate

from pydantic import Field

from benchsuite.specs.models.base import PositiveFloat, SpecModel
from benchsuite.specs.models.optimizer import OptimizerSpec


class StageSpec(SpecModel):
    """A part of the epochs in which some segments learn and all others keep their weights.

    Layer by layer, and unsupervised then supervised, are such schedules. The rule is called as always: it forms credit
    for every segment that learns. Norms of segments that do not learn still normalise by each batch.
    """

    learns: tuple[str, ...] = Field(min_length=1)
    """Segments that learn: names, or patterns such as ``conv*``."""
    share: PositiveFloat = 1.0
    """Share of the protocol's epochs, relative to the shares of the other stages; a stage has at least one epoch."""
    optimizer: OptimizerSpec | None = None
    """Optimizer of the stage; the protocol's if not given. Each stage starts with new moments."""

    def trains(self, segment: str) -> bool:
        """Return True if a segment learns in this stage."""
        return any(fnmatchcase(segment, pattern) for pattern in self.learns)

    def unused(self, segments: Sequence[str]) -> list[str]:
        """Return the patterns that fit no segment."""
        return [pattern for pattern in self.learns if not any(fnmatchcase(name, pattern) for name in segments)]


def first_epochs(stages: Sequence[StageSpec], epochs: int) -> tuple[int, ...]:
    """Return the epoch, counted from 0, with which each stage begins.

    The epochs are divided in proportion to the shares, to whole epochs, with at least one for each stage.

    Args:
        stages: in order.
        epochs: of all stages together, as many as there are stages at least.

    """
    shares = [stage.share for stage in stages]
    whole = sum(shares)
    begins = [0]
    for place, before in enumerate(accumulate(shares[:-1]), start=1):
        left = epochs - (len(stages) - place)  # each later stage, and this one, has an epoch
        begins.append(min(max(round(epochs * before / whole), begins[-1] + 1), left))
    return tuple(begins)
