"""The verdict on a claim as plain, frozen data; the site and the terminal both print it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from benchsuite.results.model import Estimate
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.claim import ClaimSpec, Comparison

Verdict = Literal["reproduced", "contradicted", "inconclusive", "not_enough_records"]
"""``reproduced``: the whole 95 % interval of the difference lies in the claimed range. ``contradicted``: all of it lies
outside. ``inconclusive``: it has a part on either side of the limit. ``not_enough_records``: there is no interval to
judge, or the networks were trained too little to tell."""

VERDICT_WORDS: dict[Verdict, str] = {
    "reproduced": "reproduced",
    "contradicted": "contradicted",
    "inconclusive": "inconclusive",
    "not_enough_records": "not enough records",
}


@dataclass(frozen=True)
class Measured:
    """One side of a comparison: its label, its numbers, and the runs they come from."""

    label: str
    """The rule, the rule that it is a gap or a ratio to, and the segment."""
    track: str
    estimate: Estimate | None
    """Estimate over seeds, in the metric's unit; None if there is no value."""
    run_ids: tuple[str, ...]
    """Ids of all runs considered, in order, including those of the rule that it is a gap or a ratio to."""


@dataclass(frozen=True)
class NeededRun:
    """A run that a comparison lacks."""

    track: str
    rule: str
    seed: int
    settings: tuple[str, ...] = ()
    """Overrides of the track's settings, as ``--set`` takes them."""


@dataclass(frozen=True)
class MissingRuns:
    """The runs that an undecided claim lacks at one tier."""

    tier: Tier
    runs: tuple[NeededRun, ...]
    command: str
    """One line that makes them; runs that the store has are not made again."""


@dataclass(frozen=True)
class CaseVerdict:
    """One comparison on one track and segment at one tier."""

    comparison: Comparison
    tier: Tier
    question: str
    """The comparison in words."""
    verdict: Verdict
    reason: str
    """The reason why the verdict is not 'reproduced'; empty if it is."""
    left: Measured | None = None
    right: Measured | None = None
    gap: Estimate | None = None
    """Left minus right, or minus the fixed value, with the test's interval; for a cost, the ratio."""
    notes: tuple[str, ...] = ()
    """Warnings for the reader about the runs that were used."""
    needed: tuple[NeededRun, ...] = ()
    """Runs that would decide it, if it is undecided; empty if no run would."""


@dataclass(frozen=True)
class ClaimVerdict:
    """One claim: its verdict, the tier that decided it, every case, and what is missing if it is undecided."""

    claim: ClaimSpec
    verdict: Verdict
    tier: Tier | None
    """The tier that decided; None if no tier has enough records."""
    cases: tuple[CaseVerdict, ...]
    """The cases at every tier of the claim, in the claim's order."""
    missing: MissingRuns | None = None
    """The runs that would decide an undecided claim, at the tier that lacks the fewest; None if no run would."""
    on_copy: ClaimVerdict | None = None
    """The verdict on a lossy copy of the data, beside this one and never instead; None without records of a copy."""
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """The copies' tracks by the tracks that they stand in for; empty for a verdict on the data proper."""

    @property
    def words(self) -> str:
        """Return the verdict in words."""
        return VERDICT_WORDS[self.verdict]

    @property
    def deciding(self) -> tuple[CaseVerdict, ...]:
        """Return the cases at the tier that decided, or at the claim's first tier if none did."""
        tier = self.tier or self.claim.tiers[0]
        return tuple(case for case in self.cases if case.tier == tier)
