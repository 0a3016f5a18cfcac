"""Names that the shell completes."""

from __future__ import annotations

from benchsuite.api.workspace import find_specs
from benchsuite.registry import manager
from benchsuite.specs.loading.targets import RUNNABLE


def complete_target(incomplete: str) -> list[str]:
    """Return the suites, tracks and experiments that a word may become; loads no plugin."""
    library = find_specs()
    return [name for kind in RUNNABLE for name in library.names(kind) if name.startswith(incomplete)]


def complete_rule(incomplete: str) -> list[str]:
    """Return the rules that a word may become."""
    return [name for name in sorted(manager.installed_registry().rules) if name.startswith(incomplete)]
