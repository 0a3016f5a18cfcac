"""Checks of a plugin: its contract version, and the classes of rules and studies that it returns."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from benchsuite.errors import PluginError
from benchsuite.version import CONTRACT_VERSION

# Rules and specs are imported late: the registry is imported where nothing else is needed.


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


def check_rule_class(rule: Any) -> None:
    """Raise PluginError if an object is not a complete subclass of ``Rule``."""
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


def check_study_class(study: Any) -> None:
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
