"""What papers say beside the pages of a site: published values and claims, laid out for the tracks with records."""

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
    """Return published values and claims for these tracks and tiers; a wrong spec costs them, with a warning."""
    library, registry = workspace.library, workspace.registry

    def is_wanted(track: str, tier: Tier) -> bool:
        return (track, tier) in cells

    published = _unless_wrong("published values", warn, lambda: list(published_errors(library, registry, is_wanted)))
    claims = _unless_wrong("claims", warn, lambda: expand_claims(library, registry, is_wanted))
    return Papers(published, claims)


def _unless_wrong(what: str, warn: Callable[[str], None], lay_out: Callable[[], list[Found]]) -> list[Found]:
    try:
        return lay_out()
    except SpecError as error:
        warn(f"{what} are left out: {error}")
        return []
