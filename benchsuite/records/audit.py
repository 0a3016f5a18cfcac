"""The audit record: one JSON document per rule with its traits and the verdicts on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from benchsuite.records.model import Environment, RecordModel
from benchsuite.specs.models.base import Name, Tier
from benchsuite.version import AUDIT_SCHEMA_VERSION

Verdict = Literal["confirmed", "contradicted", "could_be_stronger", "not_tested", "not_applicable", "crashed"]
"""The verdict on a trait. A rule may declare less than it does; a page then shows that it could declare more."""


class Observation(RecordModel):
    """The largest measurement in one network."""

    network: str
    where: str
    """The segment, and the moment where that matters; empty if there is no particular place."""
    value: float


class TraitAudit(RecordModel):
    """One trait as the rule declares it, and the result of its test."""

    trait: str
    """The name of the trait."""
    declared: bool
    """The trait's value in the rule's ``traits``."""
    shown: bool | None
    """The trait's value according to the test; None if the test does not decide it."""
    verdict: Verdict
    measure: str
    """The quantity that the observations measure."""
    threshold: float
    """A value above it in any network decides the verdict."""
    observations: tuple[Observation, ...] = ()
    """One observation per network in which there was something to measure."""
    reason: str = ""
    """The reason, if there is no verdict on the trait."""

    @property
    def strongest(self) -> Observation | None:
        """Return the observation with the largest value."""
        return max(self.observations, key=lambda seen: seen.value, default=None)


class SegmentPrecision(RecordModel):
    """Distance of one segment's update from its reference."""

    segment: str
    relative_difference: float
    """Norm of the difference as a multiple of the larger norm, 0 to 2; 2 if the update is not finite."""
    angle_deg: float | None
    """Angle between the two; None if one of them is zero or not finite."""


class PrecisionAudit(RecordModel):
    """A rule's update on one track's initial state, in the track's number format, compared with float64."""

    track: Name
    tier: Tier
    seed: int
    examples: int
    """Examples in the batch: the diagnostics' batch of the track."""
    config: Mapping[str, Any]
    """The rule's hyperparameters on the track."""
    reference_config: Mapping[str, Any]
    """Its hyperparameters in the reference, which is in float64."""
    number_format: str
    """The precision of the hardware spec, such as fp32 or bf16."""
    device: str = ""
    threshold: float
    """A relative difference above it counts as decided by the number format."""
    uncertainty: float = 0.0
    """Largest relative change of the reference itself under one rounding of weights and inputs."""
    segments: tuple[SegmentPrecision, ...] = ()
    """In forward order."""
    reason: str = ""
    """The reason if nothing was measured, such as a network that the rule cannot work in."""

    @property
    def strongest(self) -> SegmentPrecision | None:
        """Return the segment with the largest relative difference."""
        return max(self.segments, key=lambda seen: seen.relative_difference, default=None)

    @property
    def is_decided_by_format(self) -> bool:
        """Return True if rounding decides the update, or the reference itself."""
        largest = self.strongest.relative_difference if self.strongest else 0.0
        return max(largest, self.uncertainty) > self.threshold

    @property
    def verdict(self) -> str:
        """Return what was found, in one line."""
        if self.strongest is None:
            return f"not measured: {self.reason or 'no segment has a gradient'}"
        seen, where = self.strongest, f"{self.number_format}, {self.strongest.segment}"
        if self.uncertainty > self.threshold:
            changed = f"one rounding changes it by {self.uncertainty:.2g} of its length"
            return f"the number format decides the update: even in float64 {changed}"
        apart = f"{seen.relative_difference:.2g} of its length from float64 ({where})"
        if not self.is_decided_by_format:
            return f"the update is within {apart}"
        angle = "" if seen.angle_deg is None else f", {seen.angle_deg:.2g} degrees"
        return f"the number format decides the update: {apart}{angle}"


class RuleNeeds(RecordModel):
    """The rule's own statements that no test covers: its mechanism, and the networks that it supports."""

    mechanism: str
    """The way by which credit reaches a segment."""
    source: str
    """The publication of the rule."""
    forms: tuple[str, ...]
    """Names of the kinds of units that it supports."""
    topologies: tuple[str, ...]
    """Names of the ways in which segments may be connected."""
    map_kinds: tuple[str, ...] | None
    """Names of the linear maps that it supports; None for any."""
    min_hidden_segments: int
    """The smallest number of segments before the readout."""
    min_precision: str = ""
    """The coarsest number format of matrix products that it supports; empty in audits made before this field."""
    learns_feedback: bool
    """True if it may have feedback weights that the optimizer updates."""


class RuleAudit(RecordModel):
    """All traits of one rule, with its default hyperparameters."""

    schema_version: Literal[3] = AUDIT_SCHEMA_VERSION  # type: ignore[assignment]
    rule: Name
    summary: str = ""
    """The first paragraph of its class's docstring."""
    needs: RuleNeeds | None = None
    """None in audits made before this field existed."""
    config: Mapping[str, Any] = Field(default_factory=dict)
    """All hyperparameters: with another setting it is another rule, which was not audited."""
    environment: Environment
    traits: tuple[TraitAudit, ...]
    precision: tuple[PrecisionAudit, ...] = ()
    """One entry per track that the rule's number format was examined on."""

    @property
    def failed(self) -> tuple[TraitAudit, ...]:
        """Return the traits that were contradicted and those whose test crashed."""
        return tuple(each for each in self.traits if each.verdict in {"contradicted", "crashed"})
