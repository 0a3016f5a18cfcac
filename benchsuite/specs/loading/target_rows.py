"""Find the tracks of a target, and select the rows of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.row_selection import KnownRules, select_rows
from benchsuite.specs.loading.rows import Row, Rows, products_at, rows_of_suite, variants_of_track, variants_on
from benchsuite.specs.loading.targets import Target, find_target
from benchsuite.specs.loading.tree import Node
from benchsuite.specs.models.base import TIERS, Tier
from benchsuite.specs.models.track import DEFAULT_SEEDS, SuiteSpec

if TYPE_CHECKING:
    from benchsuite.specs.loading.selection import Selection


@dataclass(frozen=True)
class TargetRows:
    """The tracks of a target, and the rows to run on each."""

    tracks: Mapping[str, Node]
    rows: Mapping[str, list[Row]]
    tier: Tier
    seeds: int
    """Number of seeds, unless the request names them."""
    library: SpecLibrary

    def variants_on(self, track: str) -> list[Row]:
        """Return all variants of a track, whichever spec defines them."""
        return [row for rows in variants_on(track, self.tier, self.library).values() for row in rows]


@dataclass(frozen=True)
class _Tracks:
    """The tracks of a target, and the rows that it defines itself."""

    tracks: Mapping[str, Node]
    rows: Mapping[str, Rows]
    """By track, all rows of a suite; for a single track, its variants."""
    tier: Tier
    seeds: int = DEFAULT_SEEDS
    is_suite: bool = False


def rows_of_target(
    selection: Selection, library: SpecLibrary, directory: KnownRules, target: Target | None = None
) -> TargetRows:
    """Return the tracks of a selection with the rows to run on each.

    Args:
        selection: the selection.
        library: the library to look names up in.
        directory: the known rules.
        target: the suite or track of that name, if it has been looked up before.

    Raises:
        SpecError: if the target, a rule or a variant is wrong or unknown.
        EmptySelectionError: if a pattern matches no rule.

    """
    found = _tracks_of(target or find_target(selection.target, library), selection, library)
    rows = select_rows(
        selection.target,
        selection.rules,
        found.rows,
        found.is_suite,
        directory,
        lambda track: variants_on(track, found.tier, library),
    )
    return TargetRows(found.tracks, rows, found.tier, found.seeds, library)


def _tracks_of(target: Target, selection: Selection, library: SpecLibrary) -> _Tracks:
    match target.kind:
        case "suites":
            return _suite(target.node, library, selection.tier)
        case "tracks":
            tier = selection.tier or "quick"
            return _Tracks({target.name: target.node}, {target.name: variants_of_track(target.node, tier)}, tier)
        case _:
            message = f"'{target.name}' is a study, which is not made of runs; `benchsuite run` runs it whole"
            raise SpecError([Problem(message)], subject=selection.target)


def _suite(node: Node, library: SpecLibrary, tier: Tier | None) -> _Tracks:
    suite, problems = check(adapter_of("suites"), node, shape=SuiteSpec)
    if suite is None:
        raise SpecError(problems, subject=node.mark.file or "suite")
    tier = tier or suite.tier
    tracks: dict[str, Node] = {}
    for prefix, product in products_at(node, tier):
        for position, entry in enumerate(product.value["tracks"].value):
            if entry.value not in tracks:
                tracks[entry.value] = library.load("tracks", entry.value, entry.mark, f"{prefix}tracks.{position}")
    if not tracks:
        here = ", ".join(name for name in TIERS if any(name in cells.tiers for cells in suite.cells))
        problem = Problem(f"no cells at tier {tier}; there are some at {here}", "--tier", field="tier")
        raise SpecError([problem], subject=node.mark.file or "suite")
    return _Tracks(tracks, rows_of_suite(node, tracks, tier), tier, suite.seeds, is_suite=True)
