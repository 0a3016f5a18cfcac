"""Claims: statements of papers, each with the comparison of records that confirms it or not, as data."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from benchsuite.specs.models.base import DocumentedSpec, Name, SpecModel, Tier
from benchsuite.specs.models.variant import RowName

SETS = ("test", "train", "validation")
"""Sets of examples that errors are measured on; ``validation`` is what a track holds out from training."""

FRACTIONS = frozenset(f"{examples}_{kind}" for examples in SETS for kind in ("error", "top5_error", "accuracy"))
"""Metrics of the whole network after an epoch, 0 to 1; an accuracy is one minus the error."""

COST = "cost_per_step"
"""Time per training step; compared as a ratio, within one hardware class."""

WHOLE_NETWORK = FRACTIONS | {COST}
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
    over: RowName | None = None
    """A rule or variant whose value at the same seed the side is divided by: the side is then a ratio."""
    segment: str | None = None
    """For a diagnostic: the segment, if the two sides have different ones; else the comparison's segments are used."""

    @model_validator(mode="after")
    def _has_one_reference(self) -> Quantity:
        if self.minus and self.over:
            raise ValueError("minus makes the side a difference, over a ratio; give one of them")
        return self


class Comparison(SpecModel):
    """One comparison; it holds if it holds on each of its tracks and in each of its segments, or in most of them."""

    tracks: tuple[Name, ...] = ()
    """Tracks on which both sides are measured; empty if the sides name their own."""
    setting: str = ""
    """Data set and network in words, instead of tracks, if no track has them yet."""
    metric: Name
    """``test_error``, ``train_error`` or ``validation_error``, the same with ``top5_error`` or ``accuracy`` in place of
    ``error`` (fractions), ``cost_per_step``, or a diagnostic."""
    segments: tuple[str, ...] = ()
    """For a diagnostic: the segments; empty for the network as a whole."""
    layers: Literal["every", "most"] = "every"
    """Number of the segments in which it must hold. ``most``: in more than half of them, seed by seed."""
    epoch: int | Literal["last"] = Field(default="last", union_mode="left_to_right")
    """Epoch of the measurement, so that speeds of learning can be compared; for a diagnostic, 0 is before training.
    ``last``: a diagnostic's last defined value, an error's after the last epoch. A run that ended earlier has none."""
    since: int | None = Field(default=None, ge=0)
    """An earlier epoch whose value is subtracted, so that the change since then is compared."""
    left: Quantity
    right: Quantity | None = None
    """The other side; None if ``value`` is given."""
    value: float | None = None
    """A fixed number to compare the left side with, in the metric's unit."""
    direction: Direction
    """The claim about left minus right, by its 95 % interval. ``lower``: all of it is below -margin. ``higher``: all of
    it is above the margin. ``equal``: it lies within ±margin. ``not_higher``: no part of it is above the margin."""
    margin: float = Field(default=0, ge=0)
    """Margin in the metric's unit, or of the ratio (``over``); for a cost, as a fraction of the right side's cost."""
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

    @property
    def is_ratio(self) -> bool:
        """True if the sides are ratios to another rule."""
        return bool(self.left.over)

    @property
    def epochs(self) -> frozenset[int]:
        """The epochs whose measurements are compared, other than the last."""
        return frozenset(epoch for epoch in (self.epoch, self.since) if isinstance(epoch, int))

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
        if self.since is not None and self.epoch != "last" and self.epoch <= self.since:
            raise ValueError(f"since: {self.since} is not before epoch {self.epoch}")
        if len({bool(side.over) for side in self.sides}) > 1:
            raise ValueError("a ratio is compared with a ratio; give over in both sides or in neither")
        if self.metric == COST and (self.value is not None or any(side.minus or side.over for side in self.sides)):
            raise ValueError(
                f"{self.metric} is compared between two rules, as a ratio; leave out value, minus and over"
            )
        return self

    @model_validator(mode="after")
    def _is_measured_so(self) -> Comparison:
        segments = [*self.segments, *(side.segment for side in self.sides if side.segment)]
        if not self.is_diagnostic and segments:
            raise ValueError(f"{self.metric} is measured for the whole network; leave out segments")
        if self.metric == COST and (self.epoch != "last" or self.since is not None):
            raise ValueError(f"{self.metric} is measured over the whole run; leave out epoch and since")
        if self.metric in FRACTIONS and 0 in self.epochs:
            raise ValueError(f"{self.metric} is not measured before training; epoch and since are 1 or later")
        if self.layers == "most":
            if len(self.segments) < 2 or self.value is None or self.left.minus or self.left.over:
                raise ValueError("layers: most is for two or more segments, each compared with a fixed value")
            if self.direction == "equal":
                raise ValueError("layers: most needs a direction; give a comparison for each end of the range")
        return self


class Floor(SpecModel):
    """The least training that a verdict needs: an error that a reference rule must reach on the claim's tracks."""

    tracks: tuple[Name, ...] = ()
    """Tracks of the claim's comparisons, all if empty; comparisons before training (epoch 0) and of times need none."""
    rule: Name
    """The reference rule, usually backprop; it must be measured at the tier that is judged."""
    metric: Literal["test_error", "train_error"] = "test_error"
    within: float | None = Field(default=None, gt=0, lt=1)
    """Largest distance of the mean error, a fraction, above the published one in ``specs/reference``."""
    at_most: float | None = Field(default=None, gt=0, lt=1)
    """Largest mean error, a fraction, where none is published; say in a comment where it comes from."""

    @model_validator(mode="after")
    def _has_one_bound(self) -> Floor:
        if (self.within is None) == (self.at_most is None):
            raise ValueError("give within, a distance above the published error, or at_most, an error; not both")
        return self


class ClaimSpec(DocumentedSpec):
    """A statement of a paper; it is reproduced if all its comparisons hold."""

    omit_default_from_hash = frozenset({"floors"})

    statement: str = Field(min_length=1)
    """The claim in our own words."""
    note: str = ""
    """Notes for readers on how the statement was turned into comparisons."""
    tiers: tuple[Tier, ...] = Field(default=("paper", "quick"), min_length=1)
    """Tiers that may decide it; the first with enough records decides, and is named beside the verdict."""
    minimum_seeds: int = Field(default=MINIMUM_SEEDS, ge=MINIMUM_SEEDS)
    """Seeds that each side needs for a verdict."""
    floors: tuple[Floor, ...] = ()
    """Errors that a tier's reference must reach; a tier at which one does not has trained too little to tell."""
    comparisons: tuple[Comparison, ...] = Field(min_length=1)

    @property
    def tracks(self) -> frozenset[str]:
        """The tracks of all comparisons."""
        of_sides = {side.track for comparison in self.comparisons for side in comparison.sides if side.track}
        return frozenset(of_sides.union(*(comparison.tracks for comparison in self.comparisons)))

    @model_validator(mode="after")
    def _has_its_source(self) -> ClaimSpec:
        if not self.source:
            raise ValueError("a claim needs its source: paper, and section, figure or table")
        return self

    @model_validator(mode="after")
    def _floors_are_of_its_tracks(self) -> ClaimSpec:
        foreign = sorted({track for floor in self.floors for track in floor.tracks} - self.tracks)
        if foreign:
            raise ValueError(
                f"a floor is for {', '.join(foreign)}, but no comparison is; expected {', '.join(sorted(self.tracks))}"
            )
        return self
