"""Check the name of something new: its form, and that nothing installed has it."""

from __future__ import annotations

import keyword
import re
from importlib.util import find_spec

from benchsuite.registry.manager import installed_registry


def plugin_name_problems(kind: str, name: str) -> list[str]:
    """Return what is wrong with the name of a new contribution, which is also that of its package and its plugin.

    Args:
        kind: rule, dataset, architecture or diagnostic.
        name: as specs and the command will call it.

    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        return [
            f"'{name}' is not lower-case letters, digits and _, beginning with a letter, at most 64, such as my_{kind}"
        ]
    if keyword.iskeyword(name):
        return [f"'{name}' is a word of the Python language; call it {name}_{kind}"]
    registry = installed_registry()
    claimed = [*registry.conflicts.get((kind, name), ()), registry.origins.get((kind, name))]
    origins = [*registry.plugins.values(), *(failure.origin for failure in registry.failures)]
    for origin in [*filter(None, claimed), *(each for each in origins if each.plugin == name)]:
        return [f"'{name}' is taken by {origin.distribution} ({origin.value}); two {kind}s cannot share a name"]
    if find_spec(f"benchsuite_{name}") is not None:
        return [f"the package benchsuite_{name} is installed already; give the {kind} another name"]
    return []


def values_of(name: str) -> dict[str, str]:
    """Return the values of placeholders that follow from a name."""
    words = re.sub(r"[_.-]+", " ", name).strip()
    return {
        "name": name,
        "package": f"benchsuite_{name}",
        "distribution": f"benchsuite-{name.replace('_', '-')}",
        "class_name": "".join(part.capitalize() for part in words.split()),
        "title": words.capitalize(),
    }
