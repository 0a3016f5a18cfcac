"""Published values and claims together: all that papers say of some tracks, for a site to show beside its results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydantic import TypeAdapter

from benchsuite.papers.claim_cases import ClaimCases
from benchsuite.papers.published import PublishedError
from benchsuite.specs.models.base import Tier

Cells = set[tuple[str, Tier]]
"""Tracks and tiers that there are records of."""


@dataclass(frozen=True)
class Papers:
    """Published values and claims, laid out as the runs that they are about."""

    published: Sequence[PublishedError] = ()
    claims: Sequence[ClaimCases] = ()
    key: str = ""
    """Stands for the content where a shorter way to it is known than ``fingerprint``'s own: another content, another
    key."""

    @cached_property
    def fingerprint(self) -> str:
        """Return the key or, without one, a hash of the content."""
        if self.key:
            return self.key
        content = _CONTENT.dump_python((tuple(self.published), tuple(self.claims)), mode="json")
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


FindPapers = Callable[[Cells], Papers]
"""Given the tracks and tiers that there are records of, returns what papers say of them."""

_CONTENT: TypeAdapter[tuple[tuple[PublishedError, ...], tuple[ClaimCases, ...]]] = TypeAdapter(
    tuple[tuple[PublishedError, ...], tuple[ClaimCases, ...]]
)
