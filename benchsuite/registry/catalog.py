"""What is installed, for listing: names and summaries without importing torch.

Our own modules are read as text; anyone else's plugin has to be imported to know that it works, so the result is kept
until its files change. Only ``list`` uses this; whatever runs or checks something loads the real registry.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import platformdirs

from benchsuite.errors import StoreError
from benchsuite.files import write_text_atomically
from benchsuite.version import __version__

HOOKS = {"rules": "benchsuite_rules", "diagnostics": "benchsuite_diagnostics"}


@dataclass
class PluginFacts:
    """One plugin as a list shows it."""

    plugin: str
    distribution: str
    value: str
    rules: dict[str, str] = field(default_factory=dict)
    """Summaries by name."""
    diagnostics: dict[str, str] = field(default_factory=dict)
    spec_folders: list[str] = field(default_factory=list)
    failure: str = ""
    """Why it was left out; empty if it works."""


@dataclass
class Catalog:
    """All plugins; names that two of them claim belong to neither."""

    plugins: list[PluginFacts]

    def named(self, kind: str) -> dict[str, tuple[str, PluginFacts]]:
        """Return (summary, plugin) by name for 'rules' or 'diagnostics', names claimed twice left out."""
        found: dict[str, list[tuple[str, PluginFacts]]] = {}
        for plugin in self.plugins:
            for name, summary in getattr(plugin, kind).items():
                found.setdefault(name, []).append((summary, plugin))
        return {name: owners[0] for name, owners in sorted(found.items()) if len(owners) == 1}

    def conflicts(self, kind: str) -> dict[str, list[PluginFacts]]:
        """Return names that more than one plugin claims."""
        found: dict[str, list[PluginFacts]] = {}
        for plugin in self.plugins:
            for name in getattr(plugin, kind):
                found.setdefault(name, []).append(plugin)
        return {name: owners for name, owners in found.items() if len(owners) > 1}


def read_catalog() -> Catalog:
    """Return all installed plugins, importing only foreign ones that have changed since they were last imported."""
    points = sorted(entry_points(group="benchsuite"), key=lambda p: (p.name, p.value))
    own = [p for p in points if p.dist is not None and p.dist.name == "benchsuite"]
    foreign = [p for p in points if p not in own]
    facts = [_read_own(point) for point in own]
    if foreign:
        key = _state_key(foreign)
        facts += _remembered(key) or _import_and_remember(foreign, key)
    return Catalog(sorted(facts, key=lambda f: f.plugin))


def installed_state() -> str:
    """Return a hash that changes whenever what is installed could give other rules or other defaults of theirs."""
    return _state_key(sorted(entry_points(group="benchsuite"), key=lambda p: (p.name, p.value)))


def _facts_of(point: EntryPoint) -> PluginFacts:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "no distribution"
    return PluginFacts(point.name, distribution, point.value)


def _read_own(point: EntryPoint) -> PluginFacts:
    facts = _facts_of(point)
    spec = find_spec(point.value.split(":")[0])
    if spec is None or spec.origin is None:
        facts.failure = f"ModuleNotFoundError: no module {point.value}"
        return facts
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    for kind, hook in HOOKS.items():
        for function in tree.body:
            if isinstance(function, ast.FunctionDef) and function.name == hook:
                returned = [n.id for n in ast.walk(function.body[-1]) if isinstance(n, ast.Name)]
                for node in (classes[name] for name in returned if name in classes):
                    summary = _assigned(node, "summary") or _first_sentence(ast.get_docstring(node))
                    getattr(facts, kind)[_assigned(node, "name") or node.name] = summary
    return facts


def _assigned(node: ast.ClassDef, attribute: str) -> str:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            names = [t.id for t in statement.targets if isinstance(t, ast.Name)]
            if attribute in names:
                return str(statement.value.value)
    return ""


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").strip().split("\n\n")[0].split())


def _state_key(points: list[EntryPoint]) -> str:
    """Return a hash of everything that can change what importing these plugins gives."""
    state: list[Any] = [__version__, sys.version, sys.prefix]
    for point in points:
        state.append((point.name, point.value, str(point.dist and point.dist.version)))
        try:
            spec = find_spec(point.value.split(":")[0].split(".")[0])
        except (ImportError, ValueError):
            spec = None
        for folder in spec.submodule_search_locations if spec and spec.submodule_search_locations else []:
            state += [(str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in sorted(Path(folder).rglob("*.py"))]
        if spec and spec.origin and Path(spec.origin).is_file():
            state.append((spec.origin, Path(spec.origin).stat().st_mtime_ns))
    return hashlib.sha256(repr(state).encode()).hexdigest()


def _cache_file() -> Path:
    return Path(platformdirs.user_cache_dir("benchsuite")) / "plugins.json"


def _remembered(key: str) -> list[PluginFacts] | None:
    try:
        content = json.loads(_cache_file().read_text(encoding="utf-8"))
        return [PluginFacts(**facts) for facts in content["plugins"]] if content["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _import_and_remember(points: list[EntryPoint], key: str) -> list[PluginFacts]:
    from benchsuite.registry.manager import build_registry

    facts = []
    for point in points:
        registry = build_registry([point])
        fact = _facts_of(point)
        fact.rules = {name: _first_sentence(rule.__doc__) for name, rule in registry.rules.items()}
        fact.diagnostics = {name: d.summary for name, d in registry.diagnostics.items()}
        fact.spec_folders = [str(folder) for folder, _ in registry.spec_folders]
        fact.failure = registry.failures[0].reason if registry.failures else ""
        facts.append(fact)
    with suppress(StoreError):  # a cache that cannot be written only costs time
        write_text_atomically(_cache_file(), json.dumps({"key": key, "plugins": [asdict(f) for f in facts]}))
    return facts
