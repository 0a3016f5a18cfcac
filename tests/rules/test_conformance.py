"""Every built-in rule keeps the contract. The oracle is the conformance kit that outside authors use too."""

from __future__ import annotations

from .suites import BUILT_IN, DEFAULTS, REGISTRY, SETTINGS

globals().update({suite.__name__: suite for suite in DEFAULTS})


def test_no_built_in_plugin_was_left_out():
    assert [str(f) for f in REGISTRY.failures if f.origin.distribution.split()[0] == "benchsuite"] == []
    assert not REGISTRY.conflicts


def test_the_yardstick_and_the_control_are_among_the_rules_checked():
    assert {"backprop", "readout_only"} <= set(BUILT_IN)


def test_settings_name_existing_rules():
    assert set(SETTINGS) <= set(BUILT_IN)
