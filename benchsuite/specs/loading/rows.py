"""Rows that specs define: rules as they are, and variants, which are rules with settings and names of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.tree import Mark, Node, dig
from benchsuite.specs.models.base import TIERS, Tier
from benchsuite.specs.models.variant import slug_of


@dataclass(frozen=True)
class Row:
    """One row of a track's table."""

    rule: str
    mark: Mark
    """Place of the row in its file."""
    field: str = "rules"
    """Path of the row in its file."""
    title: str = ""
    """Name of the variant; empty for a rule as the track runs it."""
    settings: Node | None = None
    """Mapping of a variant, with ``config`` and ``protocol``."""
    tuned_by: str = ""
    """Id of the tuning that the settings come from, if they do."""

    @property
    def key(self) -> str:
        """The rule's name, or the variant's name as one word; unique among the rows of a track."""
        return slug_of(self.title) if self.title else self.rule

    @property
    def name(self) -> str:
        """The name to show."""
        return self.title or self.rule

    @property
    def is_control(self) -> bool:
        """True if the variant freezes the lower half: it shows what its rule gains there, and has its settings."""
        frozen = dig(self.settings, "protocol", "frozen")
        return frozen is not None and frozen.plain() == "lower_half"

    def own_overrides(self, overrides: Iterable[str]) -> Iterator[str]:
        """Yield the overrides that change this row, as its rule's if they name the row; those of other rules do not."""
        for override in overrides:
            name, _, field = override.removeprefix("rules.").partition(".")
            if not override.startswith("rules."):
                yield override
            elif name in (self.rule, self.key):
                yield f"rules.{self.rule}.{field}"

    def is_same_as(self, other: Row) -> bool:
        """Return True if two variants have the same name and settings."""
        return (self.title, self.rule, self._settings()) == (other.title, other.rule, other._settings())

    def _settings(self) -> list[object]:
        return [part.plain() if (part := dig(self.settings, name)) else {} for name in ("config", "protocol")]


Rows = dict[str, Row]
"""Rows by their keys."""


def products_of(suite: Node) -> list[tuple[str, Node]]:
    """Return the products of tracks and rules in a suite, each with its path in the file."""
    cells = suite.get("cells")
    return [("", suite)] if cells is None else [(f"cells.{i}.", product) for i, product in enumerate(cells.value)]


def products_at(suite: Node, tier: str) -> list[tuple[str, Node]]:
    """Return the products that a suite has at a tier, each with its path in the file."""
    found = []
    for prefix, product in products_of(suite):
        tiers = product.get("tiers") if prefix else None
        if tiers is None or any(entry.value == tier for entry in tiers.value):
            found.append((prefix, product))
    return found


def variants_of_track(track: Node, tier: str) -> Rows:
    """Return the variants that a track defines, with a tier's changes laid over them.

    Raises:
        SpecError: if two have the same name.

    """
    found: Rows = {}
    problems = []
    for title, (settings, mark) in _settings_by_name(track, tier).items():
        rule = settings.get("rule")
        if rule is None or rule.value == title:
            continue
        row = Row(str(rule.value), mark, f"rules.{title}", title, settings)
        if row.key in found:
            problems.append(_twice(row, found[row.key]))
        found[row.key] = row
    if problems:
        raise SpecError(problems, subject=track.mark.file or "track")
    return found


def _settings_by_name(track: Node, tier: str) -> dict[str, tuple[Node, Mark]]:
    """Return the settings of a track's rules and variants with their places, a tier's laid over the track's."""
    found: dict[str, tuple[Node, Mark]] = {}
    for settings in (dig(track, "rules"), dig(track, "tiers", tier, "rules")):
        if settings is None or not settings.is_mapping:
            continue
        for name, node in settings.value.items():
            below = found.get(name)
            found[name] = (below[0].merged(node), below[1]) if below else (node, settings.keys[name])
    return found


def rows_of_suite(suite: Node, tracks: Mapping[str, Node], tier: str) -> dict[str, Rows]:
    """Return the rows that a suite has on each of its tracks at a tier, in the file's order.

    Args:
        suite: the suite, already validated.
        tracks: its tracks at this tier by name, or all of them.
        tier: the tier, which may change a track's variants.

    Raises:
        SpecError: if a variant is defined twice.

    """
    defined = _variants_of_suite(suite)
    found: dict[str, Rows] = {name: {} for name in tracks}
    for prefix, product in products_at(suite, tier):
        for track in (entry.value for entry in product.value["tracks"].value):
            known = {**variants_of_track(tracks[track], tier), **defined}
            for position, entry in enumerate(product.value["rules"].value):
                name = _name_of(entry)
                row = known.get(slug_of(name)) or Row(name, entry.mark, f"{prefix}rules.{position}")
                found[track].setdefault(row.key, row)
    return found


def _variants_of_suite(suite: Node) -> Rows:
    found: Rows = {}
    problems: list[Problem] = []
    for prefix, product in products_of(suite):
        here: set[str] = set()
        for position, entry in enumerate(product.value["rules"].value):
            if not entry.is_mapping:
                continue
            title = entry.value["as"]
            row = Row(str(entry.value["rule"].value), title.mark, f"{prefix}rules.{position}", str(title.value), entry)
            earlier = found.setdefault(row.key, row)
            # Another cell may repeat the row for its tracks, as a YAML alias does.
            if row.key in here or not row.is_same_as(earlier):
                problems.append(_twice(row, earlier))
            here.add(row.key)
    if problems:
        raise SpecError(problems, subject=suite.mark.file or "suite")
    return found


def _twice(row: Row, earlier: Row) -> Problem:
    line = f" (line {earlier.mark.line})" if earlier.mark.line else ""
    like = "" if row.title == earlier.title else f", which is '{row.key}' on the command line too"
    return row.mark.problem(
        f"'{row.title}' is the name of two rows; the other is '{earlier.title}'{line}{like}", row.field
    )


def variants_on(track: str, tier: str, library: SpecLibrary) -> dict[str, list[Row]]:
    """Return all variants of a track by key: its own, and those of every suite that has the track.

    A key has several rows if suites give the same name to different settings. Files with problems are passed over.
    """
    found: dict[str, list[Row]] = {}
    for row in _all_variants_on(track, tier, library):
        rows = found.setdefault(row.key, [])
        if not any(row.is_same_as(other) for other in rows):
            rows.append(row)
    return found


def has_variant(track: str, name: str, library: SpecLibrary, tiers: Iterable[Tier] = TIERS) -> bool:
    """Return True if a track has a variant of this name at one of the tiers."""
    return any(slug_of(name) in variants_on(track, tier, library) for tier in tiers)


def _all_variants_on(track: str, tier: str, library: SpecLibrary) -> Iterator[Row]:
    if track in library.names("tracks"):
        with suppress(SpecError):
            yield from variants_of_track(library.load("tracks", track), tier).values()
    for name in library.names("suites"):
        with suppress(SpecError):  # `benchsuite validate` says what is wrong in it
            suite = library.load("suites", name)
            if not _has_mappings(suite) or check(adapter_of("suites"), suite)[1]:
                continue
            rows, named = _variants_of_suite(suite), _names_on(suite, track)
            yield from (row for key, row in rows.items() if key in named)


def _has_mappings(suite: Node) -> bool:
    """Return True if a suite, which may be wrong, has any row that is no name; much faster than to validate it."""
    cells = suite.get("cells")
    lists = [p.get("rules") for p in (cells.value if cells and isinstance(cells.value, list) else [suite])]
    return any(e.is_mapping for rows in lists if rows and isinstance(rows.value, list) for e in rows.value)


def _names_on(suite: Node, track: str) -> set[str]:
    """Return the names of a suite's rows on a track, each as one word."""
    return {
        slug_of(_name_of(entry))
        for _, product in products_of(suite)
        if any(entry.value == track for entry in product.value["tracks"].value)
        for entry in product.value["rules"].value
    }


def _name_of(entry: Node) -> str:
    """Return the name of a suite's row."""
    return str((entry.get("as") or entry).value)
