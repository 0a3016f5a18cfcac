"""Find the published values and claims of papers that a site shows beside its records."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from benchsuite.api.workspace import Workspace
from benchsuite.errors import SpecError
from benchsuite.papers.claim_cases import expand_claims
from benchsuite.papers.published import published_errors
from benchsuite.papers.statements import Papers
from benchsuite.specs.models.base import Tier

Found = TypeVar("Found")


def papers_of(cells: set[tuple[str, Tier]], workspace: Workspace, warn: Callable[[str], None]) -> Papers:
    """Return published values and claims for these tracks and tiers; none, with a warning, if a spec is wrong."""
    library, registry = workspace.library, workspace.registry

    def is_wanted(track: str, tier: Tier) -> bool:
        return (track, tier) in cells

    published = _unless_wrong("published values", warn, lambda: list(published_errors(library, registry, is_wanted)))
    claims = _unless_wrong("claims", warn, lambda: expand_claims(library, registry, is_wanted))
    return Papers(published, claims)


def _unless_wrong(subject: str, warn: Callable[[str], None], load: Callable[[], list[Found]]) -> list[Found]:
    try:
        return load()
    except SpecError as error:
        warn(f"{subject} are left out: {error}")
        return []
