"""Every built-in rule keeps the contract. The oracle is the conformance kit that outside authors use too."""

from __future__ import annotations

from typing import Any

from benchsuite.registry.manager import installed_registry
from benchsuite.testing import RuleConformance

REGISTRY = installed_registry()
BUILT_IN = {
    name: rule
    for name, rule in REGISTRY.rules.items()
    if REGISTRY.origins["rule", name].distribution.split()[0] == "benchsuite"
}

# What a rule needs beside the defaults, with the reason.
SETTINGS: dict[str, dict[str, Any]] = {
    # Its credit is a difference of two losses, each rounded where activations are: 0.89 in one vectorized network.
    "node_perturbation": {"least_bf16_cosine": 0.75},
}

for _name, _rule in BUILT_IN.items():
    _title = f"Test{_rule.__name__}"
    globals()[_title] = type(_title, (RuleConformance,), {"rule": _rule, **SETTINGS.get(_name, {})})


def test_no_built_in_plugin_was_left_out():
    assert [str(f) for f in REGISTRY.failures if f.origin.distribution.split()[0] == "benchsuite"] == []
    assert not REGISTRY.conflicts


def test_the_yardstick_and_the_control_are_among_the_rules_checked():
    assert {"backprop", "readout_only"} <= set(BUILT_IN)


def test_settings_name_existing_rules():
    assert set(SETTINGS) <= set(BUILT_IN)
