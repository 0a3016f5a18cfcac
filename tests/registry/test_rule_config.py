"""Oracle: ``benchsuite.credit.rule.Rule``: a rule names its config class once, in brackets."""

from __future__ import annotations

from typing import Any

import pytest

from benchsuite.credit import DrawnFeedbackConfig, LearnedFeedbackRule, ReplacedFeedbackRule, TargetConfig, TargetRule
from benchsuite.credit.rule import ConfigT, Rule, RuleConfig
from benchsuite.registry.manager import Registry
from benchsuite.registry.sources import source_hash


class OneConfig(RuleConfig):
    one: int = 1


class TwoConfig(OneConfig):
    two: int = 2


def test_the_class_in_brackets_is_the_config() -> None:
    """Catches a rule that runs with no hyperparameters where it has some."""

    class Own(ReplacedFeedbackRule[OneConfig]):
        pass

    class Derived(Own):
        pass

    assert Own.Config is Derived.Config is OneConfig
    assert Own().config == OneConfig(one=1)
    assert Derived(OneConfig(one=3)).config.one == 3


def test_a_rule_may_still_say_config_itself() -> None:
    """Catches a third party's rule, written before brackets, whose hyperparameters are lost."""

    class Plain(ReplacedFeedbackRule):
        Config = OneConfig

    class Extending(Plain):
        Config = TwoConfig

    class Both(ReplacedFeedbackRule[OneConfig]):
        Config = OneConfig

    class ExtendingBrackets(Both):
        Config = TwoConfig

    assert Plain().config == Both().config == OneConfig()
    assert Extending().config == ExtendingBrackets().config == TwoConfig()


def test_a_mechanism_leaves_the_choice_to_its_rules() -> None:
    class Mechanism(ReplacedFeedbackRule[ConfigT]):
        pass

    class Ours(Mechanism[TwoConfig]):
        pass

    assert (Rule.Config, Mechanism.Config, Ours.Config) == (RuleConfig, RuleConfig, TwoConfig)
    assert LearnedFeedbackRule.Config is DrawnFeedbackConfig
    assert TargetRule.Config is TargetConfig


@pytest.mark.parametrize("argument", [int, "OneConfig"])
def test_what_is_no_config_is_refused_in_brackets(argument: Any) -> None:
    with pytest.raises(TypeError, match="expected a subclass of RuleConfig"):
        type("Wrong", (ReplacedFeedbackRule,), {"__orig_bases__": (ReplacedFeedbackRule[argument],)})


def test_two_different_configs_are_refused() -> None:
    """Catches a type checker that sees another class than the one that runs."""
    with pytest.raises(TypeError, match="has OneConfig in brackets, but Config is"):

        class Wrong(ReplacedFeedbackRule[OneConfig]):
            Config = TwoConfig


def test_pythons_own_modules_do_not_change_a_rules_source_hash(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches results that are not found again under another patch version of Python, whose ``typing`` differs."""
    import typing

    before = source_hash(registry.rule("backprop"))
    monkeypatch.setattr(typing, "__file__", __file__)
    assert source_hash(registry.rule("backprop")) == before
