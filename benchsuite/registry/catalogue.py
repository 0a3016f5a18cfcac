"""Catalogue of the installed plugins: plain data that is read without importing them.

Any rule imports torch, which takes longer than everything else that ``list``, ``info`` and ``claims`` do. What they
need is kept in the user's cache folder after the plugins were loaded once, together with size and time of change of
every file that was imported for it. It is used only if all of that is as it was; if in doubt, plugins are loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.errors import StoreError
from benchsuite.files import discard, write_text_atomically
from benchsuite.process import stdout_to_stderr
from benchsuite.registry import manager
from benchsuite.registry.origins import Origin, PluginFailure
from benchsuite.specs.models.tuning_budget import Tunable
from benchsuite.version import __version__

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from benchsuite.registry.manager import Registry
    from benchsuite.specs.models.study import StudySpec

LAYOUT = 2
"""Increased when the stored form changes."""

MOST_FILES = 8
"""Stored catalogues: one per environment and import path. The oldest are deleted."""

MOST_FACTS = 10_000
"""Facts kept in one catalogue; the oldest go."""

MOST_CONFIGS = 2_000
"""Validated hyperparameters kept in one catalogue."""


@dataclass(frozen=True)
class RuleEntry:
    """A rule on paper."""

    doc: str
    """Its docstring."""
    hyperparameters: Mapping[str, Mapping[str, Any]]
    """Default, type, meaning and, if tuning searches it, the range, by name."""
    traits: Mapping[str, Any]


@dataclass
class Catalogue:
    """Names and descriptions of all contributions; the directory that resolving of specs needs."""

    plugins: dict[str, Origin]
    rules: dict[str, RuleEntry]
    diagnostics: dict[str, str]
    """Summaries by name."""
    origins: dict[tuple[str, str], Origin]
    spec_folders: list[tuple[Path, Origin]]
    failures: list[PluginFailure] = field(default_factory=list)
    conflicts: dict[tuple[str, str], list[Origin]] = field(default_factory=dict)
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Hyperparameters with defaults filled in, by rule and what was given, as the rule's own model returned them."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Plain results of the plugins' code and the suite's, such as estimates, by a key of everything they depend on."""
    path: Path | None = None
    """The stored file; None if this catalogue is not to be stored."""
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    is_changed: bool = False

    @cached_property
    def study_specs(self) -> Mapping[str, type[StudySpec]]:
        """The models of the specs of all kinds of studies, by ``kind``; plugins are loaded when one is looked up."""
        return _LoadedStudies()

    def rule_config(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a rule's hyperparameters as plain data, with all defaults filled in; raises as ``Registry`` does."""
        try:
            key = json.dumps([name, config])
        except (TypeError, ValueError):
            return _load().rule_config(name, config)
        if key not in self.configs:
            plain = _load().rule_config(name, config)
            if len(self.configs) >= MOST_CONFIGS or not _is_plain(plain):
                return plain
            self.configs[key] = plain
            self.is_changed = True
        return json.loads(json.dumps(self.configs[key]))  # type: ignore[no-any-return]

    def rule_fields(self, name: str) -> Mapping[str, FieldInfo]:
        """Return the fields of a rule's ``Config``; loads plugins."""
        return _load().rule_fields(name)

    def store(self) -> None:
        """Write what was found out since the catalogue was read; a folder that cannot be written is no error."""
        if self.path is None or not self.is_changed:
            return
        stored = {
            "files": self.files,
            "plugins": {name: _plain_origin(origin) for name, origin in self.plugins.items()},
            "rules": {name: vars(rule) for name, rule in self.rules.items()},
            "diagnostics": self.diagnostics,
            "origins": [[kind, name, _plain_origin(origin)] for (kind, name), origin in self.origins.items()],
            "spec_folders": [[str(folder), _plain_origin(origin)] for folder, origin in self.spec_folders],
            "configs": self.configs,
            "facts": self.facts,
        }
        if _is_plain(stored["rules"]) and _is_plain(self.diagnostics):
            with suppress(StoreError):
                write_text_atomically(self.path, json.dumps(stored))
                _delete_oldest(self.path.parent)
        self.is_changed = False


def open_catalogue() -> Catalogue:
    """Return the catalogue of the installed plugins: the stored one if it is as new as their code, else theirs now.

    A process that has torch already gets no stored one: loading plugins then costs little.
    """
    if "torch" in sys.modules:
        return describe(_load())
    return stored_catalogue() or _store_anew()


def stored_catalogue() -> Catalogue | None:
    """Return the stored catalogue if it is as new as the installed plugins' code; None without loading them."""
    return _read(_stored_path())


def keep_catalogue() -> None:
    """Store the catalogue, for commands to come, after plugins were loaded for something else."""
    if stored_catalogue() is None:
        _store_anew()


def keep_facts(facts: Mapping[str, Any]) -> None:
    """Add facts to the stored catalogue, with the files of the code that has found them, which is imported by now."""
    found = stored_catalogue() or _store_anew()
    if found.path is None or not _is_plain(facts) or not facts.keys() - found.facts.keys():
        return
    merged = {**found.facts, **facts}
    found.facts = dict(list(merged.items())[-MOST_FACTS:])
    found.files = {**found.files, **_imported_files()}
    found.is_changed = True
    found.store()


def _store_anew() -> Catalogue:
    found = describe(_load())
    if not found.failures and not found.conflicts:
        found.path, found.files, found.is_changed = _stored_path(), _imported_files(), True
        found.store()
    return found


def describe(registry: Registry) -> Catalogue:
    """Return the catalogue of a registry's contributions."""
    return Catalogue(
        plugins=registry.plugins,
        rules={name: describe_rule(rule) for name, rule in registry.rules.items()},
        diagnostics={name: diagnostic.summary for name, diagnostic in registry.diagnostics.items()},
        origins=registry.origins,
        spec_folders=registry.spec_folders,
        failures=registry.failures,
        conflicts=registry.conflicts,
    )


def describe_rule(rule: Any) -> RuleEntry:
    """Return a rule's class as plain data."""
    hyperparameters = {
        name: {
            "default": info.get_default(call_default_factory=True) if not info.is_required() else "required",
            "type": str(info.annotation).replace("typing.", ""),
            "meaning": info.description or "",
            **_searched(info),
        }
        for name, info in rule.Config.model_fields.items()
    }
    return RuleEntry(rule.__doc__ or "", hyperparameters, rule.traits.model_dump(mode="json"))


def _searched(info: FieldInfo) -> dict[str, str]:
    """Return the range that tuning searches, in words; nothing for a field that it does not search."""
    for mark in info.metadata:
        if isinstance(mark, Tunable):
            try:
                low, high = mark.range_around(info.get_default(call_default_factory=True))
            except ValueError:
                return {}
            return {"searched": f"{low:g} to {high:g}, {'logarithmic' if mark.log else 'linear'}"}
    return {}


def _load() -> Registry:
    with stdout_to_stderr():
        return manager.installed_registry()


class _LoadedStudies(Mapping[str, "type[StudySpec]"]):
    """The registry's models of the specs of studies, from plugins that are loaded when one is asked for."""

    def __getitem__(self, kind: str) -> type[StudySpec]:
        return _load().study_specs[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(_load().study_specs)

    def __len__(self) -> int:
        return len(_load().study_specs)


def _stored_path() -> Path:
    """Return the file for this interpreter, import path and set of entry points."""
    from platformdirs import user_cache_path

    found = manager.installed_points()
    # Once per distribution, which reads its metadata anew for each of the two.
    releases = {dist: (dist.name, dist.version) if dist else () for dist in {point.dist for point in found}}
    points = sorted((point.name, point.value, *releases[point.dist]) for point in found)
    key = json.dumps([LAYOUT, __version__, sys.version, sys.path, points])
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return user_cache_path("benchsuite", appauthor=False) / "plugins" / f"{digest}.json"


def _imported_files() -> dict[str, tuple[int, int]]:
    """Return time of change and size of the file of every module imported by now, Python's own apart."""
    found = {}
    for name, module in sys.modules.copy().items():
        file = getattr(module, "__file__", None)
        if file and name.partition(".")[0] not in sys.stdlib_module_names:
            with suppress(OSError):
                found[file] = _stamp(file)
    return found


def _stamp(file: str) -> tuple[int, int]:
    status = os.stat(file)  # noqa: PTH116 - 2,000 times; pathlib takes twice as long
    return status.st_mtime_ns, status.st_size


def _read(path: Path) -> Catalogue | None:
    """Return the stored catalogue, or None if there is none, it is damaged, or any file of the code has changed."""
    try:
        stored = json.loads(path.read_bytes())
        files = {file: (int(changed), int(size)) for file, (changed, size) in stored["files"].items()}
        if not files or any(_stamp(file) != stamp for file, stamp in files.items()):
            return None
        return Catalogue(
            plugins={name: Origin(*origin) for name, origin in stored["plugins"].items()},
            rules={name: RuleEntry(**rule) for name, rule in stored["rules"].items()},
            diagnostics=dict(stored["diagnostics"]),
            origins={(kind, name): Origin(*origin) for kind, name, origin in stored["origins"]},
            spec_folders=[(Path(folder), Origin(*origin)) for folder, origin in stored["spec_folders"]],
            configs=dict(stored["configs"]),
            facts=dict(stored["facts"]),
            path=path,
            files=files,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _plain_origin(origin: Origin) -> list[str]:
    return [origin.plugin, origin.distribution, origin.value]


def _is_plain(value: Any) -> bool:
    """Return True if reading a value's JSON gives the same value."""
    try:
        return bool(json.loads(json.dumps(value)) == value)
    except (TypeError, ValueError):
        return False


def _delete_oldest(folder: Path) -> None:
    def changed(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except OSError:  # deleted by another process
            return 0.0

    stored: Iterable[Path] = sorted(folder.glob("*.json"), key=changed, reverse=True)
    for path in list(stored)[MOST_FILES:]:
        discard(path)
