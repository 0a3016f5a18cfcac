"""The registry: load plugins one by one, register contributions by unique name, and record failures with reasons.

pluggy registers plugins, checks hook names and arguments, and makes every call. In its own entry-point loader one
broken plugin stops all plugins, and the second of two equal names is ignored. Therefore this module loads, registers,
checks (``check_pending``) and calls plugin by plugin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from benchsuite.errors import PluginError, SpecError, nearest
from benchsuite.registry import hookspecs
from benchsuite.registry.checks import ENTRY_POINT_GROUP as ENTRY_POINT_GROUP
from benchsuite.registry.checks import (
    advice,
    check_contract,
    check_group,
    check_hooks,
    check_rule,
    check_study,
    config_problems,
    is_meant_for_us,
)
from benchsuite.registry.interrupts import watched_for_stop
from benchsuite.registry.origins import Origin as Origin
from benchsuite.registry.origins import PluginFailure as PluginFailure

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from benchsuite.credit.rule import Rule, RuleConfig
    from benchsuite.data.kind import DatasetKind
    from benchsuite.data.tensors import DatasetReader
    from benchsuite.diagnostics.contract import Diagnostic
    from benchsuite.networks.architecture_shapes import ArchitectureBuilder
    from benchsuite.specs.models.study import StudySpec
    from benchsuite.studies.contract import Study


@dataclass
class Registry:
    """The contributions of all working plugins."""

    manager: pluggy.PluginManager
    plugins: dict[str, Origin] = field(default_factory=dict)
    failures: list[PluginFailure] = field(default_factory=list)
    rules: dict[str, type[Rule]] = field(default_factory=dict)
    datasets: dict[str, DatasetReader | DatasetKind[Any]] = field(default_factory=dict)
    """Built-in kinds by name, and the plugins' data sets for specs of ``kind: plugin``."""
    architectures: dict[str, ArchitectureBuilder] = field(default_factory=dict)
    diagnostics: dict[str, type[Diagnostic]] = field(default_factory=dict)
    studies: dict[str, type[Study[Any, Any]]] = field(default_factory=dict)
    """Kinds of studies, by the ``kind`` of their specs."""
    spec_folders: list[tuple[Path, Origin]] = field(default_factory=list)
    origins: dict[tuple[str, str], Origin] = field(default_factory=dict)
    conflicts: dict[tuple[str, str], list[Origin]] = field(default_factory=dict)
    """Names that more than one plugin uses, by (kind, name); no plugin gets them."""
    _configs: dict[tuple[type[RuleConfig], str], RuleConfig] = field(default_factory=dict)
    """Cache of validated hyperparameters, by their class and their plain data."""

    def rule(self, name: str) -> type[Rule]:
        """Return a rule by name.

        Raises:
            PluginError: if there is none, with the available names; or if two plugins use the name, with both origins.

        """
        found: type[Rule] = self._look_up("rule", name, self.rules)
        return found

    def diagnostic(self, name: str) -> type[Diagnostic]:
        """Return a diagnostic by name; raises like ``rule``."""
        found: type[Diagnostic] = self._look_up("diagnostic", name, self.diagnostics)
        return found

    def study(self, kind: str) -> type[Study[Any, Any]]:
        """Return a kind of study by name; raises like ``rule``."""
        found: type[Study[Any, Any]] = self._look_up("study", kind, self.studies)
        return found

    @property
    def study_specs(self) -> dict[str, type[StudySpec]]:
        """Return the models of the specs of all kinds of studies, by ``kind``; spec loading needs nothing else."""
        return {kind: study.Spec for kind, study in self.studies.items()}

    def architecture(self, name: str) -> ArchitectureBuilder:
        """Return a builder of networks by name; raises like ``rule``."""
        found: ArchitectureBuilder = self._look_up("architecture", name, self.architectures)
        return found

    def _look_up(self, kind: str, name: str, known: Mapping[str, Any]) -> Any:
        if name in known:
            return known[name]
        if (kind, name) in self.conflicts:
            raise PluginError(_shared(kind, name, self.conflicts[kind, name]))
        for failure in self.failures:
            if failure.may_have_provided(kind, name):
                raise PluginError(f"{kind} '{name}': its plugin {failure.origin} was left out: {failure.reason}")
        if kind == "study":  # `benchsuite list studies` shows the studies, and not their kinds
            message = (
                f"no kind of study '{name}'{nearest(name, known)} (installed: {', '.join(sorted(known)) or 'none'})"
            )
        else:
            shown = f"`benchsuite list {kind}s` shows all {len(known)}; yours has to be installed in this environment"
            message = f"no {kind} '{name}'{nearest(name, known)} ({shown})"
        if self.failures:
            left_out = ", ".join(f"{f.origin.plugin} ({f.origin.distribution})" for f in self.failures)
            message += f"; plugins that were left out may have it: {left_out} (`benchsuite doctor` says why)"
        raise PluginError(message)

    def problems(self) -> list[str]:
        """Return a line for each plugin and each name that was left out, with the distributions and the reason."""
        left_out = [f"plugin {f.origin} was left out: {f.reason}" for f in self.failures]
        return left_out + [_shared(kind, name, owners) for (kind, name), owners in self.conflicts.items()]

    def table(self, kind: str) -> dict[str, Any]:
        """Return the contributions of a kind by name."""
        tables: dict[str, dict[str, Any]] = {
            "rule": self.rules,
            "diagnostic": self.diagnostics,
            "study": self.studies,
            "dataset": self.datasets,
            "architecture": self.architectures,
        }
        return tables[kind]

    def rule_config(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a rule's hyperparameters as plain data, with all defaults filled in.

        Raises:
            PluginError: if there is no such rule.
            SpecError: naming every field that is unknown or has a wrong value.

        """
        from pydantic import ValidationError

        model = self.rule(name).Config
        try:
            validated = model.model_validate(dict(config))
        except ValidationError as error:
            raise SpecError(config_problems(name, model.model_fields, error)) from None
        plain = validated.model_dump(mode="json")
        self._configs[model, json.dumps(plain, sort_keys=True)] = validated
        return plain

    def rule_fields(self, name: str) -> Mapping[str, FieldInfo]:
        """Return the fields of a rule's ``Config``.

        Raises:
            PluginError: if there is no such rule.

        """
        return self.rule(name).Config.model_fields

    def validated_config(self, name: str, plain: Mapping[str, Any]) -> RuleConfig:
        """Return the validated hyperparameters for plain data from ``rule_config``; cached within a process.

        Raises:
            PluginError: if there is no such rule.
            ValidationError: pydantic's, if the data did not come from ``rule_config``.

        """
        model = self.rule(name).Config
        key = model, json.dumps(plain, sort_keys=True)
        if key not in self._configs:
            self._configs[key] = model.model_validate(dict(plain))
        return self._configs[key]


def _shared(kind: str, name: str, owners: Iterable[Origin]) -> str:
    return f"{kind} '{name}' is provided by {' and '.join(map(str, owners))}; uninstall one or rename it"


def build_registry(points: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every plugin and collect its contributions; never raises because of a plugin's error.

    Args:
        points: the entry points to load; those of all installed distributions if not given.

    """
    manager = pluggy.PluginManager("benchsuite")
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    found = installed_points() if points is None else [*points]
    # A distribution reads its file anew for each question, and most of ours is one distribution's.
    labels = {dist: _label(dist) for dist in {point.dist for point in found}}
    origins = [(point, Origin(point.name, labels[point.dist], point.value)) for point in found]
    # The suite's own first: they keep their names.
    for point, origin in sorted(origins, key=lambda each: (not each[1].is_builtin, each[0].name, each[0].value)):
        _load(registry, point, origin)
    return registry


@cache
def installed_registry() -> Registry:
    """Return the registry of all installed plugins, built once per process."""
    return build_registry()


def installed_points() -> list[EntryPoint]:
    """Return our entry points of all installed distributions, also those of a misspelt group: they fail to load."""
    points = entry_points()
    return [point for group in sorted(filter(is_meant_for_us, points.groups)) for point in points.select(group=group)]


def _label(distribution: Distribution | None) -> str:
    return f"{distribution.name} {distribution.version}" if distribution else "no distribution"


def _load(registry: Registry, point: EntryPoint, origin: Origin) -> None:
    names: set[tuple[str, str]] = set()
    with watched_for_stop() as stop:
        try:
            check_group(point)
            plugin = point.load()
            check_contract(plugin)
            name = registry.manager.register(plugin, name=f"{origin.plugin} @ {origin.distribution} {origin.value}")
            try:
                check_hooks(registry.manager, plugin)
                _collect(registry, plugin, origin, names)
            except BaseException:
                registry.manager.unregister(plugin)
                raise
        except BaseException as error:  # a plugin's error must not stop the suite, its sys.exit neither
            if stop.came:
                raise
            reason = f"{type(error).__name__}: {error}".removesuffix(": ") + advice(point, error)
            registry.failures.append(PluginFailure(origin, reason, frozenset(names)))
        else:
            registry.plugins[name or origin.plugin] = origin


def caller_of_one(manager: pluggy.PluginManager, hook: str, plugin: object) -> pluggy.HookCaller:
    """Return pluggy's caller for one plugin's implementations of a hook.

    An error in a call then belongs to that plugin alone; a hook wrapper runs around its own plugin's implementation.
    """
    implementations = getattr(manager.hook, hook).get_hookimpls()
    return manager.subset_hook_caller(hook, [each.plugin for each in implementations if each.plugin is not plugin])


def _collect(registry: Registry, plugin: object, origin: Origin, names: set[tuple[str, str]]) -> None:
    """Add one plugin's contributions: all of them, or none if any is wrong; ``names`` gets what it said so far."""
    manager = registry.manager
    found: dict[str, dict[str, Any]] = {}

    def add(kind: str, contributions: Iterable[tuple[str, Any]]) -> None:
        for name, value in contributions:
            if (kind, name) in names:
                raise PluginError(f"provides two {kind}s of the name '{name}'")
            names.add((kind, name))
            found.setdefault(kind, {})[name] = value

    rules = _listed(manager, "benchsuite_rules", plugin)
    for rule in rules:
        check_rule(rule)
    studies = _listed(manager, "benchsuite_studies", plugin)
    for study in studies:
        check_study(study)
    add("rule", ((rule.name, rule) for rule in rules))
    add("diagnostic", ((each.name, each) for each in _listed(manager, "benchsuite_diagnostics", plugin)))
    add("study", ((study.kind, study) for study in studies))
    add("dataset", _named(manager, "benchsuite_datasets", plugin).items())
    add("architecture", _named(manager, "benchsuite_architectures", plugin).items())
    folders = [Path(folder) for folder in _listed(manager, "benchsuite_specs", plugin)]
    for kind, name in sorted(names):
        owner = registry.origins.get((kind, name))
        if owner and owner.is_builtin:
            raise PluginError(f"{kind} '{name}' is benchsuite's own ({owner.value}); give yours another name")
    for kind, contributions in found.items():
        for name, value in contributions.items():
            _enter(registry, kind, name, value, registry.table(kind), origin)
    registry.spec_folders.extend((folder, origin) for folder in folders)


def _listed(manager: pluggy.PluginManager, hook: str, plugin: object) -> list[Any]:
    """Return a plugin's contributions from a hook that returns a list."""
    with _told_of(hook):
        return [each for part in caller_of_one(manager, hook, plugin)() for each in part]


def _named(manager: pluggy.PluginManager, hook: str, plugin: object) -> dict[str, Any]:
    """Return a plugin's contributions from a hook that returns a mapping."""
    with _told_of(hook):
        return dict(each for part in caller_of_one(manager, hook, plugin)() for each in part.items())


@contextmanager
def _told_of(hook: str) -> Iterator[None]:
    """Name the hook in any error raised by a call of it."""
    try:
        yield
    except (Exception, SystemExit, GeneratorExit) as error:
        raise PluginError(f"hook '{hook}' failed: {type(error).__name__}: {error}") from error


def _enter(registry: Registry, kind: str, name: str, value: Any, table: dict[str, Any], origin: Origin) -> None:
    key = (kind, name)
    if key in registry.conflicts:
        registry.conflicts[key].append(origin)
    elif name in table:
        # Neither gets the name: a table must never show another rule than the one the reader means.
        registry.conflicts[key] = [registry.origins.pop(key), origin]
        del table[name]
    else:
        table[name] = value
        registry.origins[key] = origin
