"""Runs of all variants that specs name, so that records are found by their settings, whatever they were made as."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchsuite.errors import BenchsuiteError
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve_row import RuleDirectory, resolve_row
from benchsuite.specs.loading.row_selection import naming_problems
from benchsuite.specs.loading.rows import Row, variants_on
from benchsuite.specs.loading.tree import Mark
from benchsuite.specs.models.base import TIERS, Tier
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.track import RunSpec

ANY_HARDWARE = HardwareSpec(name="any", device="cpu")
"""Stands where a run must have hardware; names do not depend on it."""


def variants_of_library(
    library: SpecLibrary, wanted: Callable[[str, Tier], bool]
) -> Iterator[tuple[str, Tier, list[Row]]]:
    """Yield the variants of each track and tier that is wanted and has any; loads no plugin."""
    for track in library.names("tracks"):
        for tier in TIERS:
            if wanted(track, tier) and (found := variants_on(track, tier, library)):
                yield track, tier, [row for rows in found.values() for row in rows]


def named_runs(
    library: SpecLibrary, directory: RuleDirectory, wanted: Callable[[str, Tier], bool]
) -> Iterator[RunSpec]:
    """Yield a run of every variant, and of the rules of these variants as the tracks run them.

    Args:
        library: the library of tracks and suites.
        directory: the known rules; a variant of any other rule is passed over, and so is one that is wrong.
        wanted: returns True for the tracks and tiers that are needed.

    """
    for track, tier, variants in variants_of_library(library, wanted):
        node = library.load("tracks", track)
        plain = (Row(rule, Mark(None)) for rule in dict.fromkeys(row.rule for row in variants))
        for row in (*variants, *plain):
            if naming_problems(row, directory):
                continue
            try:
                made, problems = resolve_row(node, tier, row, [], directory, [])
            except BenchsuiteError:
                continue
            if not problems:
                yield RunSpec(track=track, tier=tier, hardware=ANY_HARDWARE, seed=0, **made.parts)
