"""What experiments found of a rule's claims: one JSON document for each rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from benchsuite.records.model import Environment, RecordModel
from benchsuite.specs.models.base import Name
from benchsuite.version import AUDIT_SCHEMA_VERSION

Verdict = Literal["confirmed", "contradicted", "could_be_stronger", "not_tested", "crashed"]
"""What becomes of a claim. A rule may say of itself what is weaker than what it does; a page shows that it may."""


class Observation(RecordModel):
    """The largest measurement in one network."""

    network: str
    where: str
    """Segment, and moment where that matters; empty if nowhere in particular."""
    value: float


class ClaimAudit(RecordModel):
    """One claim of ``traits`` beside what an experiment shows."""

    claim: str
    """Name of the trait."""
    claimed: bool
    shown: bool | None
    """What the experiment says the trait is; None where it says nothing."""
    verdict: Verdict
    measure: str
    """What the observations' values are."""
    threshold: float
    """A value above it in any network decides."""
    observations: tuple[Observation, ...] = ()
    """One for each network in which there was something to see."""
    reason: str = ""
    """Why there is no verdict on the claim, where there is none."""

    @property
    def strongest(self) -> Observation | None:
        """Return the observation with the largest value."""
        return max(self.observations, key=lambda seen: seen.value, default=None)


class RuleNeeds(RecordModel):
    """What a rule says of itself that no experiment asks for: how it works, and in which networks."""

    mechanism: str
    """How credit reaches a segment."""
    source: str
    """Where the rule is published."""
    forms: tuple[str, ...]
    """Kinds of units it works with, by name."""
    topologies: tuple[str, ...]
    """Ways segments may be connected, by name."""
    map_kinds: tuple[str, ...] | None
    """Linear maps it works with, by name; None for any."""
    min_hidden_segments: int
    """How many segments there must be before the readout."""
    learns_feedback: bool
    """Whether it may have feedback weights that the optimizer updates."""


class RuleAudit(RecordModel):
    """All claims of one rule, with its default hyperparameters."""

    schema_version: Literal[2] = AUDIT_SCHEMA_VERSION  # type: ignore[assignment]
    rule: Name
    summary: str = ""
    """The first paragraph of what its class says of itself."""
    needs: RuleNeeds | None = None
    """None in audits made before it was asked for."""
    config: Mapping[str, Any] = Field(default_factory=dict)
    """The hyperparameters in full: another setting is another rule, and is not what was audited."""
    environment: Environment
    claims: tuple[ClaimAudit, ...]

    @property
    def failed(self) -> tuple[ClaimAudit, ...]:
        """Return the claims that were contradicted, and those whose experiment the rule did not survive."""
        return tuple(claim for claim in self.claims if claim.verdict in {"contradicted", "crashed"})
