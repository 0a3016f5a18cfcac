"""Describe one rule, track, suite, data set and so on, including published values."""

from __future__ import annotations

from typing import Any

from benchsuite.api.options import Paths
from benchsuite.api.workspace import open_on_paper
from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.papers.published import load_references
from benchsuite.registry import manager
from benchsuite.registry.catalogue import Catalogue
from benchsuite.specs.loading.kinds import KINDS, SINGULAR
from benchsuite.specs.loading.library import SpecLibrary


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
    catalogue, library = open_on_paper(specs)
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
        entries["published values on"] = published
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
