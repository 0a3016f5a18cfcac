"""Claims: statements of papers that records can confirm or not, each with the comparison that decides it, as data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from benchsuite.specs.models.base import DocumentedSpec, Name, SpecModel, Tier

ERRORS = frozenset({"test_error", "train_error"})
"""Metrics of the whole network after the last epoch; fractions, 0 to 1."""

COST = "cost_per_step"
"""Time of a training step; compared as a ratio, within one hardware class."""

WHOLE_NETWORK = ERRORS | {COST}
"""Metrics that are no diagnostic."""

Direction = Literal["lower", "higher", "equal", "not_higher"]
ClaimTest = Literal["paired", "welch", "one_sample"]

MINIMUM_SEEDS = 3


class Quantity(SpecModel):
    """What is measured on one side: a rule on a track, or how far it is from another rule there."""

    track: Name | None = None
    """The track, where the two sides have different ones; else the comparison's."""
    rule: Name
    config: dict[str, Any] = Field(default_factory=dict)
    """Hyperparameters in which the rule is other than the track has it."""
    minus: Name | None = None
    """A rule whose value at the same seed is taken off: the side is then a gap, such as that to backprop."""
    segment: str | None = None
    """For a diagnostic: its segment, where the two sides have different ones; else the comparison's."""


class Comparison(SpecModel):
    """One comparison; it holds if it holds on each of its tracks and in each of its segments."""

    tracks: tuple[Name, ...] = ()
    """Where both sides are measured; none where the sides name their own."""
    setting: str = ""
    """Instead of tracks: data set and network, where no track has them yet."""
    metric: Name
    """``test_error`` or ``train_error`` after the last epoch (fractions), ``cost_per_step``, or a diagnostic."""
    segments: tuple[str, ...] = ()
    """For a diagnostic: the segments; none for the network as a whole."""
    epoch: int | Literal["last"] = Field(default="last", union_mode="left_to_right")
    """For a diagnostic: measured after so many epochs, 0 before training; ``last``: the last that is a number."""
    left: Quantity
    right: Quantity | None = None
    """What it is compared with; none if that is ``value``."""
    value: float | None = None
    """A fixed number that the left side is compared with, in the metric's unit."""
    direction: Direction
    """What is claimed of left minus right, by its 95 % interval: ``lower``: all of it is below -margin; ``higher``: all
    is above the margin; ``equal``: within the margin on both sides; ``not_higher``: no part is above the margin."""
    margin: float = Field(default=0, ge=0)
    """In the metric's unit; for a cost, a fraction of the right side's."""
    test: ClaimTest
    """The interval: ``paired`` t over seed indices that both sides have, on one track; ``welch`` t, for two tracks or
    independent runs; ``one_sample`` t against ``value``."""

    @property
    def sides(self) -> tuple[Quantity, ...]:
        """Return the side or the two sides that are measured."""
        return (self.left,) if self.right is None else (self.left, self.right)

    @property
    def is_diagnostic(self) -> bool:
        """Return whether the metric is a diagnostic."""
        return self.metric not in WHOLE_NETWORK

    @model_validator(mode="after")
    def _can_be_decided(self) -> Comparison:
        own_tracks = [side.track for side in self.sides if side.track]
        if self.setting and (self.tracks or own_tracks):
            raise ValueError("give tracks, or, where there are none, the setting in words; not both")
        if not self.setting and bool(self.tracks) == (len(own_tracks) == len(self.sides)):
            raise ValueError("give either tracks for both sides or a track in each side, or the setting in words")
        if self.tracks and own_tracks:
            raise ValueError("a side has its own track beside the comparison's tracks; give one or the other")
        if (self.right is None) == (self.value is None):
            raise ValueError("give right, a side to compare with, or value, a fixed number")
        if (self.value is not None) != (self.test == "one_sample"):
            raise ValueError("the test one_sample is for a fixed value, paired and welch are for two sides")
        if self.test == "paired" and len(set(own_tracks)) > 1:
            raise ValueError("two tracks share no seeds; use the test welch")
        segments = [*self.segments, *(side.segment for side in self.sides if side.segment)]
        if not self.is_diagnostic and (segments or self.epoch != "last"):
            raise ValueError(
                f"{self.metric} is of the whole network at its end; segments and epochs are for diagnostics"
            )
        if self.metric == COST and (self.value is not None or any(side.minus for side in self.sides)):
            raise ValueError(f"{self.metric} is compared between two rules, as a ratio; no value and no minus")
        return self


class ClaimSpec(DocumentedSpec):
    """A statement of a paper, and the comparisons that must all hold for it to be reproduced."""

    statement: str = Field(min_length=1)
    """What is claimed, in our own words."""
    note: str = ""
    """What a reader must know of how the statement was made into comparisons."""
    tiers: tuple[Tier, ...] = Field(default=("paper", "quick"), min_length=1)
    """Where it may be decided; the first of them with enough records decides, and is named beside the verdict."""
    minimum_seeds: int = Field(default=MINIMUM_SEEDS, ge=MINIMUM_SEEDS)
    """A side with fewer gives no verdict."""
    comparisons: tuple[Comparison, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_its_source(self) -> ClaimSpec:
        if not self.source:
            raise ValueError("a claim needs its source: paper, and section, figure or table")
        return self
