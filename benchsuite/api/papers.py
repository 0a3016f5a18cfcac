"""Find what a site shows beside its records: published values and claims of papers, names of variants, plans."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from benchsuite.api.board_plan import board_plan_of, rule_words_of, track_words_of
from benchsuite.api.row_names import plans_of_library
from benchsuite.api.validity import claims_of, thresholds_of
from benchsuite.papers.claim_cases import expand_claims
from benchsuite.papers.published import published_numbers
from benchsuite.papers.statements import Papers
from benchsuite.results.row_names import named_settings
from benchsuite.results.validity import Validity
from benchsuite.specs.loading.named_rows import named_runs

if TYPE_CHECKING:
    from benchsuite.registry.catalogue import Catalogue
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.loading.library import SpecLibrary
    from benchsuite.specs.models.base import Tier


def papers_of(
    cells: set[tuple[str, Tier]], registry: Registry | Catalogue, library: SpecLibrary, warn: Callable[[str], None]
) -> Papers:
    """Return published values, claims and names for these tracks and tiers; what is wrong is left out and warned of."""

    def is_wanted(track: str, tier: Tier) -> bool:
        return (track, tier) in cells

    published = [number for number in published_numbers(library, registry, is_wanted, warn) if number.spec]
    names = named_settings(named_runs(library, registry, is_wanted))
    plans = plans_of_library({track for track, _ in cells}, library)
    validity = Validity(thresholds_of({track for track, _ in cells}, library), claims_of(registry))
    claims = expand_claims(library, registry, is_wanted, warn)
    board = board_plan_of(library, {track for track, _ in cells})
    rules = rule_words_of(registry)
    tracks = track_words_of(library, {track for track, _ in cells})
    return Papers(published, claims, names, plans, validity, board, rules, tracks)
