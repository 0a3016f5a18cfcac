"""Describe one rule, track, suite, data set and so on, including published values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from benchsuite.api.cards import Context, card
from benchsuite.api.display import Displayed, Part
from benchsuite.api.options import PathLike, Paths
from benchsuite.api.records import read_records
from benchsuite.api.tables import rule_results_table
from benchsuite.api.workspace import open_on_paper
from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.papers.published import load_references
from benchsuite.registry import manager
from benchsuite.registry.catalogue import Catalogue
from benchsuite.specs.loading.kinds import KINDS, SINGULAR
from benchsuite.specs.loading.library import SpecLibrary

PUBLISHED = "published values on"
"""Key of a track's published values, beside the kinds of things."""


def info(name: str, *, specs: Paths = None) -> dict[str, Any]:
    """Return everything about the things of one name, by kind.

    Args:
        name: name of a rule, diagnostic, track, suite, study, data set, architecture or hardware.
        specs: folders of your own specs.

    Returns:
        Plain data: hyperparameters and traits of a rule, fields and file of a spec, for a track also the values that
        papers publish.

    Raises:
        SpecError: if nothing has this name.
        PluginError: if two plugins provide a rule of that name.

    Example:
        >>> import benchsuite as bs
        >>> bs.info("backprop")["rule"]["traits"]["mechanism"]
        'replaced_feedback'

    """
    return _entries(name, *open_on_paper(specs))


@dataclass(frozen=True)
class Description(Displayed):
    """Cards about all things of one name.

    Attributes:
        name: the name.
        entries: what ``info`` returns.
        context: published and measured values, and where the thing is used.

    """

    name: str
    entries: Mapping[str, Any]
    context: Context

    def parts(self) -> Sequence[Part]:
        """Return a card per kind of thing."""
        # A track and its network often share a name; the track comes first.
        kinds = sorted((kind for kind in self.entries if kind != PUBLISHED), key=lambda kind: kind == "architecture")
        cards = [[*card(kind, self.name, self.entries[kind], self.context)] for kind in kinds]
        return [part for number, parts in enumerate(cards) for part in ([""] * bool(number) + parts)]


def describe(name: str, *, specs: Paths = None, records: Paths = None, store: PathLike | None = None) -> Description:
    """Describe the things of one name for a reader; ``info`` has the same as plain data.

    Args:
        name: as for ``info``.
        specs: folders of your own specs.
        records: folders of records with measured values; the store's own if not given.
        store: folder that ``run`` writes to.

    Raises:
        SpecError: if nothing has this name.
        PluginError: if two plugins provide a rule of that name.

    """
    catalogue, library = open_on_paper(specs)  # once: it looks at the files of all plugins' code
    entries = _entries(name, catalogue, library)
    context = Context(
        references=load_references(library, warn=lambda _: None),
        tracks=dict(_networks(library)) if "rule" in entries else {},
        suites=dict(_suites(library)),
        doc=catalogue.rules[name].doc if name in catalogue.rules else "",
        measured=[*_measured(name, entries, records, store)],
    )
    return Description(name, entries, context)


def _networks(library: SpecLibrary) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the form and the kind of every track's network; tracks with problems are left to ``validate``."""
    for name in library.names("tracks"):
        with suppress(SpecError):
            network = library.load("tracks", name).plain().get("architecture") or {}
            yield name, (network.get("form") or "ordinary", network.get("kind", ""))


def _suites(library: SpecLibrary) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in library.names("suites"):
        with suppress(SpecError):
            yield name, library.load("suites", name).plain()


def _measured(name: str, entries: Mapping[str, Any], records: Paths, store: PathLike | None) -> Iterator[Part]:
    """Yield the tables of a track, or one with all tracks of a rule, from records."""
    if not {"rule", "track"} & set(entries):
        return
    found = read_records(records, store=store)
    if "track" in entries:
        yield from found.select(track=name).parts()
    if "rule" in entries and (rows := [(t, row) for t in found.tables for row in t.rows if row.rule == name]):
        yield rule_results_table(rows)


def _entries(name: str, catalogue: Catalogue, library: SpecLibrary) -> dict[str, Any]:
    entries = _everything_named(name, catalogue, library)
    if not entries:
        known = [*catalogue.rules, *catalogue.diagnostics, *(n for kind in KINDS for n in library.names(kind))]
        raise SpecError([Problem(f"nothing is named '{name}'{nearest(name, known)} (`benchsuite list` shows all)")])
    return entries


def _everything_named(name: str, catalogue: Catalogue, library: SpecLibrary) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    if name in catalogue.rules or ("rule", name) in catalogue.conflicts:
        entries["rule"] = _rule(name, catalogue)
    if name in catalogue.diagnostics:
        entries["diagnostic"] = {
            "summary": catalogue.diagnostics[name],
            "from": str(catalogue.origins["diagnostic", name]),
        }
    for kind in KINDS:
        if name in library.names(kind):
            try:
                node = library.load(kind, name)
            except SpecError as error:
                entries[SINGULAR[kind]] = {"problems": [str(p) for p in error.problems]}
                continue
            entries[SINGULAR[kind]] = {"file": str(library.find(kind, name)), **node.plain()}
    published = _published(name, library) if name in library.names("tracks") else []
    if published:
        entries[PUBLISHED] = published
    return entries


def _published(track: str, library: SpecLibrary) -> list[dict[str, Any]]:
    """Return the published values of rules on a track, from the reference specs."""
    return [
        {
            **entry.model_dump(mode="json", exclude={"track"}, exclude_defaults=True),
            "tier": reference.tier,
            "runs": reference.runs_of(entry),
            "source": reference.source,
        }
        for reference in load_references(library, warn=lambda _: None)
        for entry in reference.entries
        if entry.track == track
    ]


def _rule(name: str, catalogue: Catalogue) -> dict[str, Any]:
    if name not in catalogue.rules:
        manager.installed_registry().rule(name)  # raises, and names both plugins
    rule = catalogue.rules[name]
    return {
        "summary": " ".join(rule.doc.split()),
        "from": str(catalogue.origins["rule", name]),
        "hyperparameters": rule.hyperparameters or "none",
        "traits": rule.traits,
    }
