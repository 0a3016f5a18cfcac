"""The audit record: one JSON document per rule with its traits and the verdicts on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from benchsuite.records.model import Environment, RecordModel
from benchsuite.specs.models.base import Name
from benchsuite.version import AUDIT_SCHEMA_VERSION

Verdict = Literal["confirmed", "contradicted", "could_be_stronger", "not_tested", "crashed"]
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

    @property
    def failed(self) -> tuple[TraitAudit, ...]:
        """Return the traits that were contradicted and those whose test crashed."""
        return tuple(each for each in self.traits if each.verdict in {"contradicted", "crashed"})
