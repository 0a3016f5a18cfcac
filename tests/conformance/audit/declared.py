"""Sample networks by name, rules with other traits than their own, and what becomes of these."""

from __future__ import annotations

from typing import Any

from benchsuite.conformance.samples import SAMPLE_NETWORKS
from benchsuite.credit.rule import Rule
from benchsuite_rules.weight_mirror import WeightMirror, WeightMirrorConfig


class BriefMirrorConfig(WeightMirrorConfig):
    """With 5 mirror batches before training instead of 300: traits are of how a rule learns, not of how well."""

    initial_mirror_steps: int = 5


class BriefWeightMirror(WeightMirror):
    Config = BriefMirrorConfig


SAMPLES = {sample.name: sample for sample in SAMPLE_NETWORKS}


def declaring(rule: type[Rule], **traits: Any) -> type[Rule]:
    """Return the rule with other traits."""
    return type(rule.__name__, (rule,), {"traits": rule.traits.model_copy(update=traits)})


def verdict(trait_test: Any, rule: type[Rule], *names: str) -> str:
    """Return the verdict on the rule's trait in the sample networks named."""
    audited = trait_test.audit(rule, rule.traits, [SAMPLES[name] for name in names])
    assert audited.reason == ""
    return audited.verdict
