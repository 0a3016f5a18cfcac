"""Complete names for the shell; without importing torch, since completion must be fast."""

from __future__ import annotations

from importlib.metadata import entry_points

from benchsuite.api.workspace import find_specs
from benchsuite.registry.catalogue import stored_catalogue
from benchsuite.specs.loading.kinds import KINDS, Kind
from benchsuite.specs.loading.targets import RUNNABLE


def complete_target(incomplete: str) -> list[str]:
    """Return the suites, tracks and studies that complete a word; loads no plugin."""
    library = find_specs()
    return [name for kind in RUNNABLE for name in library.names(kind) if name.startswith(incomplete)]


def complete_spec(kind: Kind, incomplete: str) -> list[str]:
    """Return the specs of one kind that complete a word; loads no plugin."""
    return [name for name in find_specs().names(kind) if name.startswith(incomplete)]


def complete_anything(incomplete: str) -> list[str]:
    """Return every name that ``info`` knows and that completes a word; loads no plugin."""
    catalogue = stored_catalogue()
    names = {*complete_rule(incomplete), *(catalogue.diagnostics if catalogue else ())}
    library = find_specs(None, "", catalogue)
    names.update(name for kind in KINDS for name in library.names(kind))
    return sorted(name for name in names if name.startswith(incomplete))


def complete_rule(incomplete: str) -> list[str]:
    """Return the rules that complete a word, by the names of their plugins; loads no plugin."""
    points = entry_points(group="benchsuite")
    # A plugin has the name of its rule. The suite's own diagnostics are plugins too.
    names = {point.name for point in points if not point.value.startswith("benchsuite.")}
    return sorted(name for name in names if name.startswith(incomplete))
