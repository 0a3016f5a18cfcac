"""Find the published values and claims of papers that a site shows beside its records."""

from __future__ import annotations

from collections.abc import Callable

from benchsuite.api.workspace import Workspace
from benchsuite.papers.claim_cases import expand_claims
from benchsuite.papers.published import published_numbers
from benchsuite.papers.statements import Papers
from benchsuite.specs.models.base import Tier


def papers_of(cells: set[tuple[str, Tier]], workspace: Workspace, warn: Callable[[str], None]) -> Papers:
    """Return published values and claims for these tracks and tiers; what is wrong is left out, with a warning."""
    library, registry = workspace.library, workspace.registry

    def is_wanted(track: str, tier: Tier) -> bool:
        return (track, tier) in cells

    published = [number for number in published_numbers(library, registry, is_wanted, warn) if number.spec]
    return Papers(published, expand_claims(library, registry, is_wanted, warn))
