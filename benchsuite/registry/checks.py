"""Checks of plugins before they are registered, and of the hyperparameters given to a rule."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from functools import cache
from importlib.metadata import EntryPoint
from typing import Any, get_args

import pluggy

from benchsuite.errors import PluginError, Problem, nearest
from benchsuite.registry import hookspecs
from benchsuite.version import CONTRACT_VERSION

ENTRY_POINT_GROUP = "benchsuite"
INSTALL_AGAIN = "correct its pyproject.toml and install it again: entry points are read from what was installed"


@cache
def is_meant_for_us(group: str) -> bool:
    """Return True for the group of our entry points, and for one that is misspelt by a letter or two."""
    return group == ENTRY_POINT_GROUP or SequenceMatcher(None, group, ENTRY_POINT_GROUP).ratio() > 0.88


def check_group(point: EntryPoint) -> None:
    """Raise PluginError if an entry point is in a group whose name is misspelt."""
    if point.group != ENTRY_POINT_GROUP:
        raise PluginError(
            f"its entry point is in the group '{point.group}', not '{ENTRY_POINT_GROUP}'; {INSTALL_AGAIN}"
        )


def advice(point: EntryPoint, error: BaseException) -> str:
    """Return what to do if an error says that the entry point's own module or object is not there; else nothing."""
    missing = error.name if isinstance(error, ImportError) and error.name else None
    if isinstance(error, ModuleNotFoundError) and missing and f"{point.module}.".startswith(f"{missing}."):
        return f"; the entry point names it: {INSTALL_AGAIN}"
    return ""


def check_contract(plugin: object) -> None:
    """Raise PluginError if a plugin states no contract version, or a newer one than the suite's."""
    written_for = getattr(plugin, "BENCHSUITE_CONTRACT", None)
    if not isinstance(written_for, int):
        raise PluginError(
            f"declares no contract version; add BENCHSUITE_CONTRACT = {CONTRACT_VERSION} to the module it names"
        )
    if written_for > CONTRACT_VERSION:
        raise PluginError(
            f"was written for contract {written_for}, this benchsuite has contract {CONTRACT_VERSION}; "
            "update benchsuite"
        )


def check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Reject unknown hook names; all earlier plugins have been checked, so any unknown name is this plugin's."""
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        known = [name for name in vars(hookspecs) if name.startswith("benchsuite_")]
        unknown = [caller.name for caller in manager.get_hookcallers(plugin) or [] if not caller.has_spec()]
        names = " and ".join(f"'{name}', which does not exist{nearest(name, known)}" for name in unknown)
        raise PluginError(f"implements the hook {names}") from error
    for name in vars(hookspecs):
        is_hook = name.startswith("benchsuite_") and callable(getattr(plugin, name, None))
        if is_hook and manager.parse_hookimpl_opts(plugin, name) is None:
            raise PluginError(f"'{name}' is not marked as a hook, so it is never called; write @hookimpl above it")


def check_rule(rule: Any) -> None:
    """Raise PluginError if an object is not a complete subclass of ``Rule``."""
    from benchsuite.credit.rule import Rule, RuleConfig
    from benchsuite.credit.traits import RuleTraits

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


def check_study(study: Any) -> None:
    """Raise PluginError if an object is not a complete subclass of ``benchsuite.plugin.Study``.

    Checked by what it has: the class ``Study`` itself belongs to a part of the suite that uses the registry.
    """
    from benchsuite.specs.models.study import StudySpec

    if not (isinstance(study, type) and callable(getattr(study, "summarize", None))):
        raise PluginError(f"benchsuite_studies returned {study!r}, which is not a subclass of benchsuite.plugin.Study")
    if inspect.isabstract(study):
        missing = ", ".join(sorted(getattr(study, "__abstractmethods__", ())))
        raise PluginError(f"study {study.__name__} lacks {missing}")
    kind, spec, result = (getattr(study, name, None) for name in ("kind", "Spec", "Result"))
    if not isinstance(kind, str):
        raise PluginError(f"study {study.__name__} has no class attribute 'kind' of type str")
    if not (isinstance(spec, type) and issubclass(spec, StudySpec)):
        raise PluginError(f"study {study.__name__}: Spec must be a subclass of benchsuite.plugin.StudySpec")
    if get_args(spec.model_fields["kind"].annotation) != (kind,):
        raise PluginError(f'study {study.__name__}: Spec must have the field kind: Literal["{kind}"]')
    if not (isinstance(result, type) and callable(getattr(result, "model_validate", None))):
        raise PluginError(f"study {study.__name__}: Result must be a subclass of benchsuite.plugin.StudyResult")


def config_problems(rule: str, fields: Iterable[str], error: Any) -> list[Problem]:
    """Return the problems of wrong hyperparameters, from pydantic's error."""
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
