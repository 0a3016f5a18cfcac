"""Claims: statements of papers, each with the comparison of records that confirms it or not, as data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from benchsuite.specs.models.base import DocumentedSpec, Name, SpecModel, Tier
from benchsuite.specs.models.variant import RowName

ERRORS = frozenset({"test_error", "train_error"})
"""Metrics of the whole network after the last epoch; fractions, 0 to 1."""

COST = "cost_per_step"
"""Time per training step; compared as a ratio, within one hardware class."""

WHOLE_NETWORK = ERRORS | {COST}
"""Metrics that are not diagnostics."""

Direction = Literal["lower", "higher", "equal", "not_higher"]
ClaimTest = Literal["paired", "welch", "one_sample"]

MINIMUM_SEEDS = 3


class Quantity(SpecModel):
    """One side of a comparison: a rule's value on a track, or its difference from another rule's value there."""

    track: Name | None = None
    """The track, if the two sides have different ones; otherwise the comparison's tracks are used."""
    rule: RowName
    """Name of a rule, or of a variant that the track or a suite with the track defines."""
    config: dict[str, Any] = Field(default_factory=dict)
    """Hyperparameters that differ from the track's settings of the rule, or from the variant's."""
    minus: RowName | None = None
    """A rule or variant whose value at the same seed is subtracted: the side is then a gap, as to backprop."""
    segment: str | None = None
    """For a diagnostic: the segment, if the two sides have different ones; else the comparison's segments are used."""


class Comparison(SpecModel):
    """One comparison; it holds if it holds on each of its tracks and in each of its segments."""

    tracks: tuple[Name, ...] = ()
    """Tracks on which both sides are measured; empty if the sides name their own."""
    setting: str = ""
    """Data set and network in words, instead of tracks, if no track has them yet."""
    metric: Name
    """``test_error`` or ``train_error`` after the last epoch (fractions), ``cost_per_step``, or a diagnostic."""
    segments: tuple[str, ...] = ()
    """For a diagnostic: the segments; empty for the network as a whole."""
    epoch: int | Literal["last"] = Field(default="last", union_mode="left_to_right")
    """For a diagnostic: epoch of the measurement, 0 before training; ``last``: the last defined value."""
    since: int | None = Field(default=None, ge=0)
    """For a diagnostic: an earlier epoch whose value is subtracted, so that the change since then is compared."""
    left: Quantity
    right: Quantity | None = None
    """The other side; None if ``value`` is given."""
    value: float | None = None
    """A fixed number to compare the left side with, in the metric's unit."""
    direction: Direction
    """The claim about left minus right, by its 95 % interval. ``lower``: all of it is below -margin. ``higher``: all of
    it is above the margin. ``equal``: it lies within ±margin. ``not_higher``: no part of it is above the margin."""
    margin: float = Field(default=0, ge=0)
    """Margin in the metric's unit; for a cost, as a fraction of the right side's cost."""
    test: ClaimTest
    """Method for the interval: ``paired`` t over seed indices that both sides have, on one track; ``welch`` t, for two
    tracks or independent runs; ``one_sample`` t against ``value``."""

    @property
    def sides(self) -> tuple[Quantity, ...]:
        """The measured sides: one or two."""
        return (self.left,) if self.right is None else (self.left, self.right)

    @property
    def is_diagnostic(self) -> bool:
        """True if the metric is a diagnostic."""
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
        if not self.is_diagnostic and (segments or self.epoch != "last" or self.since is not None):
            raise ValueError(
                f"{self.metric} is measured once, for the whole network after training; leave out segment, epoch and "
                "since"
            )
        if self.since is not None and self.epoch != "last" and self.epoch <= self.since:
            raise ValueError(f"since: {self.since} is not before epoch {self.epoch}")
        if self.metric == COST and (self.value is not None or any(side.minus for side in self.sides)):
            raise ValueError(f"{self.metric} is compared between two rules, as a ratio; leave out value and minus")
        return self


class ClaimSpec(DocumentedSpec):
    """A statement of a paper; it is reproduced if all its comparisons hold."""

    statement: str = Field(min_length=1)
    """The claim in our own words."""
    note: str = ""
    """Notes for readers on how the statement was turned into comparisons."""
    tiers: tuple[Tier, ...] = Field(default=("paper", "quick"), min_length=1)
    """Tiers that may decide it; the first with enough records decides, and is named beside the verdict."""
    minimum_seeds: int = Field(default=MINIMUM_SEEDS, ge=MINIMUM_SEEDS)
    """Seeds that each side needs for a verdict."""
    comparisons: tuple[Comparison, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _has_its_source(self) -> ClaimSpec:
        if not self.source:
            raise ValueError("a claim needs its source: paper, and section, figure or table")
        return self
