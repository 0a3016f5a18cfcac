"""The registry: load plugins one by one, register contributions by unique name, and record failures with reasons.

pluggy registers plugins, checks hook names and arguments, and makes every call. In its own entry-point loader one
broken plugin stops all plugins, and the second of two equal names is ignored. Therefore this module loads, registers,
checks (``check_pending``) and calls plugin by plugin.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from benchsuite.errors import PluginError, Problem, SpecError, nearest
from benchsuite.registry import hookspecs
from benchsuite.registry.sources import BUILTIN_RULES, SUITE
from benchsuite.version import CONTRACT_VERSION

if TYPE_CHECKING:
    from benchsuite.credit.rule import Rule, RuleConfig
    from benchsuite.data.kind import DatasetKind
    from benchsuite.data.tensors import DatasetReader
    from benchsuite.diagnostics.contract import Diagnostic
    from benchsuite.networks.builder import ArchitectureBuilder

ENTRY_POINT_GROUP = "benchsuite"


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

    def _look_up(self, kind: str, name: str, known: Mapping[str, Any]) -> Any:
        if name in known:
            return known[name]
        if (kind, name) in self.conflicts:
            both = " and ".join(str(o) for o in self.conflicts[kind, name])
            raise PluginError(f"{kind} '{name}' is provided by {both}; uninstall one or rename it")
        broken = [f for f in self.failures if f.origin.plugin == name]
        if broken:
            raise PluginError(f"{kind} '{name}': its plugin {broken[0].origin} was left out: {broken[0].reason}")
        raise PluginError(
            f"no {kind} '{name}'{nearest(name, known)} (`benchsuite list {kind}s` shows all {len(known)})"
        )

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
            raise SpecError(_config_problems(name, model.model_fields, error)) from None
        plain = validated.model_dump(mode="json")
        self._configs[model, json.dumps(plain, sort_keys=True)] = validated
        return plain

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


def _config_problems(rule: str, fields: Iterable[str], error: Any) -> list[Problem]:
    problems = []
    known = list(fields)
    for item in error.errors(include_url=False):
        # pydantic adds '[key]' if a mapping's key, and not its value, is wrong.
        path = [str(step) for step in item["loc"] if step != "[key]"]
        found = item["input"]
        if item["type"] == "extra_forbidden" and len(path) == 1:
            choices = ", ".join(known) if known else "it has no hyperparameters"
            message = f"unknown{nearest(path[0], known)} (it has: {choices})"
        elif item["type"] == "extra_forbidden":
            message = "unknown"
        else:
            message = item["msg"] if isinstance(found, Mapping) else f"{item['msg']}, found {found!r}"
        problems.append(Problem(message, field=".".join(["rules", rule, "config", *path])))
    return problems


def build_registry(points: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every plugin and collect its contributions; never raises because of a plugin's error.

    Args:
        points: the entry points to load; those of all installed distributions if not given.

    """
    manager = pluggy.PluginManager("benchsuite")
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    found = entry_points(group=ENTRY_POINT_GROUP) if points is None else points
    for point in sorted(found, key=lambda p: (p.name, p.value)):
        _load(registry, point)
    return registry


@cache
def installed_registry() -> Registry:
    """Return the registry of all installed plugins, built once per process."""
    return build_registry()


def _origin(point: EntryPoint) -> Origin:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "no distribution"
    return Origin(point.name, distribution, point.value)


def _load(registry: Registry, point: EntryPoint) -> None:
    origin = _origin(point)
    try:
        plugin = point.load()
        _check_contract(plugin)
        name = registry.manager.register(plugin, name=f"{origin.plugin} @ {origin.distribution} {origin.value}")
        try:
            _check_hooks(registry.manager, plugin)
            _collect(registry, plugin, origin)
        except BaseException:
            registry.manager.unregister(plugin)
            raise
    except (Exception, SystemExit) as error:  # a plugin's error must not stop the suite
        registry.failures.append(PluginFailure(origin, f"{type(error).__name__}: {error}"))
    else:
        registry.plugins[name or origin.plugin] = origin


def _check_contract(plugin: object) -> None:
    written_for = getattr(plugin, "BENCHSUITE_CONTRACT", None)
    if not isinstance(written_for, int):
        raise PluginError(
            f"says no contract version; add BENCHSUITE_CONTRACT = {CONTRACT_VERSION} to the module it names"
        )
    if written_for > CONTRACT_VERSION:
        raise PluginError(
            f"was written for contract {written_for}, this benchsuite has contract {CONTRACT_VERSION}; "
            "update benchsuite"
        )


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Reject unknown hook names; all earlier plugins have been checked, so any unknown name is this plugin's."""
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        known = [name for name in vars(hookspecs) if name.startswith("benchsuite_")]
        unknown = [caller.name for caller in manager.get_hookcallers(plugin) or [] if not caller.has_spec()]
        which = " and ".join(f"'{name}', which does not exist{nearest(name, known)}" for name in unknown)
        raise PluginError(f"implements the hook {which}") from error


def caller_of_one(manager: pluggy.PluginManager, hook: str, plugin: object) -> pluggy.HookCaller:
    """Return pluggy's caller for one plugin's implementations of a hook.

    An error in a call then belongs to that plugin alone; a hook wrapper runs around its own plugin's implementation.
    """
    implementations = getattr(manager.hook, hook).get_hookimpls()
    return manager.subset_hook_caller(hook, [each.plugin for each in implementations if each.plugin is not plugin])


def _collect(registry: Registry, plugin: object, origin: Origin) -> None:
    """Add one plugin's contributions: all of them, or none if any is wrong."""
    manager = registry.manager
    rules = _listed(manager, "benchsuite_rules", plugin)
    for rule in rules:
        _check_rule(rule)
    diagnostics = _listed(manager, "benchsuite_diagnostics", plugin)
    datasets = _named(manager, "benchsuite_datasets", plugin)
    architectures = _named(manager, "benchsuite_architectures", plugin)
    folders = [Path(folder) for folder in _listed(manager, "benchsuite_specs", plugin)]
    for rule in rules:
        _enter(registry, "rule", rule.name, rule, registry.rules, origin)
    for diagnostic in diagnostics:
        _enter(registry, "diagnostic", diagnostic.name, diagnostic, registry.diagnostics, origin)
    for name, reader in datasets.items():
        _enter(registry, "dataset", name, reader, registry.datasets, origin)
    for name, builder in architectures.items():
        _enter(registry, "architecture", name, builder, registry.architectures, origin)
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
    except (Exception, SystemExit) as error:
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


def _check_rule(rule: Any) -> None:
    from benchsuite.credit.rule import Rule, RuleConfig, RuleTraits

    if not (isinstance(rule, type) and issubclass(rule, Rule)):
        raise PluginError(f"benchsuite_rules returned {rule!r}, which is not a subclass of benchsuite.credit.rule.Rule")
    if inspect.isabstract(rule):
        missing = ", ".join(sorted(rule.__abstractmethods__))
        raise PluginError(f"rule {rule.__name__} lacks {missing}")
    for attribute, kind in (("name", str), ("traits", RuleTraits)):
        if not isinstance(getattr(rule, attribute, None), kind):
            raise PluginError(f"rule {rule.__name__} has no class attribute '{attribute}' of type {kind.__name__}")
    if not (isinstance(rule.Config, type) and issubclass(rule.Config, RuleConfig)):
        raise PluginError(f"rule {rule.__name__}: Config must be a subclass of benchsuite.credit.rule.RuleConfig")
