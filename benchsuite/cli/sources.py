"""Records and specs that several verbs read: from a store or from folders, with what is broken reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsuite.cli.options import library, messages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchsuite.papers.claim_cases import ClaimCases
    from benchsuite.papers.published import PublishedError
    from benchsuite.records.model import RunRecord
    from benchsuite.records.store import BrokenRecord
    from benchsuite.specs.models.base import Tier

RecordsOption = Annotated[
    list[Path] | None,
    typer.Option("--records", help="A folder of records to use instead of the store's; may be given several times."),
]

Cells = set[tuple[str, "Tier"]]
"""Tracks and tiers that there are records of."""


def report_broken(broken: Iterable[BrokenRecord]) -> None:
    """Name the files that hold no usable record."""
    for found in broken:
        messages().print(f"left out: {found.path}: {found.reason}", markup=False, soft_wrap=True)


def cells_of(records: Iterable[RunRecord]) -> Cells:
    """Return which tracks and tiers records are of."""
    return {(record.spec.track, record.spec.tier) for record in records}


def laid_out_claims(cells: Cells, specs: list[Path] | None) -> list[ClaimCases]:
    """Return every claim with the runs that would decide it, as far as there are records of its tracks.

    Raises:
        SpecError: if a claim or a track is wrong.

    """
    from benchsuite.papers.claim_cases import lay_out_claims
    from benchsuite.registry.manager import installed_registry

    registry = installed_registry()
    found = library(specs, plugin_folders=[folder for folder, _ in registry.spec_folders])
    return lay_out_claims(found, registry, lambda track, tier: (track, tier) in cells)


def published_values(cells: Cells, specs: list[Path] | None) -> list[PublishedError]:
    """Return what is published of tracks and tiers with records.

    Raises:
        SpecError: if a reference or a track is wrong.

    """
    from benchsuite.papers.published import published_errors
    from benchsuite.registry.manager import installed_registry

    registry = installed_registry()
    found = library(specs, plugin_folders=[folder for folder, _ in registry.spec_folders])
    return list(published_errors(found, registry, lambda track, tier: (track, tier) in cells))
