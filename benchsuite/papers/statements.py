"""Published values and claims about a set of tracks, for a site to show beside its results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import TypeAdapter

from benchsuite.papers.claim_cases import ClaimCases
from benchsuite.papers.published import PublishedNumber
from benchsuite.results.board_plan import BoardPlan, RuleWords, TrackWords
from benchsuite.results.planned import PlansByTrack
from benchsuite.results.row_names import NamedSettings
from benchsuite.results.validity import Validity
from benchsuite.specs.models.base import Tier

Cells = set[tuple[str, Tier]]
"""Tracks and tiers that have records."""


@dataclass(frozen=True)
class Papers:
    """Published values and claims, each expanded into its runs, names of settings, and planned comparisons."""

    published: Sequence[PublishedNumber] = ()
    claims: Sequence[ClaimCases] = ()
    names: Sequence[NamedSettings] = ()
    plans: PlansByTrack = field(default_factory=dict)
    """The planned comparisons of tracks that state them."""
    validity: Validity = field(default_factory=Validity)
    """Thresholds of validity checks, and what rules claim."""
    board: BoardPlan | None = None
    """The tasks of the front page's board; None if no suite states them. Only pages of several tracks use it."""
    rules: Mapping[str, RuleWords] = field(default_factory=dict)
    """Rules' own words, by name; only pages of several tracks use it."""
    tracks: Mapping[str, TrackWords] = field(default_factory=dict)
    """Specs' words on tracks, by name; each track's pages use its own."""
    key: str = ""
    """Identifies the content if a cheaper key than ``fingerprint``'s hash is known; different content needs a different
    key."""

    @cached_property
    def fingerprint(self) -> str:
        """Return the key or, without one, a hash of the content."""
        if self.key:
            return self.key
        # Each value's file is in it without its other values, which are in it themselves.
        short = {0: {"__all__": {"reference": {"entries"}}}}
        parts = (tuple(self.published), tuple(self.claims), tuple(self.names), dict(self.plans), self.validity)
        content = _CONTENT.dump_python(parts, mode="json", exclude=short)
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


FindPapers = Callable[[Cells], Papers]
"""Returns the published values and claims for the tracks and tiers that have records."""

_Content = tuple[tuple[PublishedNumber, ...], tuple[ClaimCases, ...], tuple[NamedSettings, ...], PlansByTrack, Validity]
_CONTENT: TypeAdapter[_Content] = TypeAdapter(_Content)
