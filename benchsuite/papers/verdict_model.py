"""The verdict on a claim as plain, frozen data; the site and the terminal both print from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchsuite.results.model import Estimate
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.claim import ClaimSpec, Comparison

Verdict = Literal["reproduced", "not_reproduced", "not_enough_records"]

VERDICT_WORDS: dict[Verdict, str] = {
    "reproduced": "reproduced",
    "not_reproduced": "not reproduced",
    "not_enough_records": "not enough records",
}


@dataclass(frozen=True)
class Measured:
    """One side of a comparison: whose it is, its numbers, and the runs behind them."""

    label: str
    """The rule, what is taken off it, and the segment."""
    track: str
    estimate: Estimate | None
    """Over seeds, in the metric's unit; None without a single value."""
    run_ids: tuple[str, ...]
    """Of every run that was looked at, those that were taken off included; in order."""


@dataclass(frozen=True)
class CaseVerdict:
    """One comparison on one track and segment at one tier."""

    comparison: Comparison
    tier: Tier
    question: str
    """What is compared with what, in words."""
    verdict: Verdict
    reason: str
    """Why the verdict is not 'reproduced'; empty where it is."""
    left: Measured | None = None
    right: Measured | None = None
    gap: Estimate | None = None
    """Left minus right with the test's interval; of a cost, the ratio."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the runs that were used."""


@dataclass(frozen=True)
class ClaimVerdict:
    """One claim: its verdict, where it was reached, and every case."""

    claim: ClaimSpec
    verdict: Verdict
    tier: Tier | None
    """The tier that decided; None where none has enough records."""
    cases: tuple[CaseVerdict, ...]
    """At every tier of the claim, in its order."""

    @property
    def words(self) -> str:
        """Return the verdict as words."""
        return VERDICT_WORDS[self.verdict]

    @property
    def deciding(self) -> tuple[CaseVerdict, ...]:
        """Return the cases at the tier that decided; at the claim's first tier where none did."""
        tier = self.tier or self.claim.tiers[0]
        return tuple(case for case in self.cases if case.tier == tier)
