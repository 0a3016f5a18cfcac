"""Origins of contributions, and plugins that were left out."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite.registry.sources import BUILTIN_RULES, SUITE


@dataclass(frozen=True)
class Origin:
    """The origin of a contribution."""

    plugin: str
    """Name of the entry point."""
    distribution: str
    """Name and version of the distribution, such as ``benchsuite 0.1.0``."""
    value: str
    """The entry point's value."""

    @property
    def module(self) -> str:
        """Return the module that the entry point names."""
        return self.value.partition(":")[0]

    @property
    def is_builtin(self) -> bool:
        """Return True for the suite's own plugins."""
        return self.module.partition(".")[0] in SUITE | {BUILTIN_RULES}

    def __str__(self) -> str:
        """Return the origin as shown in messages."""
        return f"{self.plugin} ({self.distribution}, {self.value})"


@dataclass(frozen=True)
class PluginFailure:
    """A plugin that was skipped, and the reason."""

    origin: Origin
    reason: str
    names: frozenset[tuple[str, str]] = frozenset()
    """Kinds and names of what it would have provided, as far as it came to say so."""

    def may_have_provided(self, kind: str, name: str) -> bool:
        """Return True if the plugin said that it provides this, or is called like it."""
        called = {self.origin.plugin, self.origin.module.rpartition(".")[2]}
        return (kind, name) in self.names or name in called
