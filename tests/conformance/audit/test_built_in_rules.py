"""Oracle: the papers' own statements, as the built-in rules' traits repeat them; backprop is the control."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from benchsuite.conformance.audit.rule_audit import TRAIT_TESTS, audit_rule
from benchsuite.conformance.audit.weight_transport import WEIGHT_TRANSPORT
from benchsuite.conformance.samples.networks import SampleNetwork
from benchsuite.credit.traits import RuleTraits
from benchsuite.errors import IncompatibleError
from benchsuite.execution.environment import environment_of
from benchsuite.records.audit import RuleAudit
from benchsuite.registry.manager import installed_registry
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.difference_target_propagation import DifferenceTargetPropagation
from benchsuite_rules.feedback_alignment import FeedbackAlignment

from ...applicable import covering_pairs
from .declared import SAMPLES, BriefWeightMirror

REGISTRY = installed_registry()
BUILT_IN = sorted(
    name for name in REGISTRY.rules if REGISTRY.origins["rule", name].distribution.split()[0] == "benchsuite"
)
NETWORKS = tuple(
    SAMPLES[name]
    for name in (
        "one-hidden",
        "batch-norm",
        "conv",
        "residual",
        "vectorized-code",
        "vectorized-conv",
        "invertible-tower",
    )
)
BRIEF = {"weight_mirror": BriefWeightMirror}
COULD_BE_STRONGER = {("updated_random_feedback", "changes_forward_weights"): "its masks, at a connectivity below one"}


def audited(name: str, networks=NETWORKS) -> RuleAudit:
    return audit_rule(BRIEF.get(name) or REGISTRY.rule(name), environment_of(REGISTRY, name), networks)


_BACKWARDS = (
    "the rule's own inference uses the weight in another way than by the map's response (backwards, for instance), so "
    "that activities cannot be held while it changes"
)
NOT_TESTED = {("equilibrium_propagation", "weight_transport"): _BACKWARDS}
"""Traits that the audit cannot see in a rule, with the reason that it gives, after the name of the first network."""


def _expected(name: str, trait: str, networks: Sequence[SampleNetwork]) -> tuple[str, str]:
    if trait == "unit_specific_feedback" and not REGISTRY.rule(name).traits.has_credit:
        return "not_applicable", "the rule feeds no error back: its units learn from losses or sums of their own"
    if (name, trait) in NOT_TESTED:
        return "not_tested", f"{networks[0].name}: {NOT_TESTED[name, trait]}"
    return "could_be_stronger" if (name, trait) in COULD_BE_STRONGER else "confirmed", ""


def _networks_of_rules() -> list[Any]:
    """Return each rule with one network of each form that it works in; with all networks, marked ``full``."""
    covering: dict[str, list[SampleNetwork]] = {name: [] for name in BUILT_IN}
    for pair in covering_pairs({sample.name: sample.shapes for sample in NETWORKS}):
        rule, network = pair.values
        if rule in covering and not pair.marks:
            covering[rule].append(SAMPLES[network])
    return [
        *(pytest.param(name, networks, id=name) for name, networks in covering.items()),
        *(pytest.param(name, NETWORKS, id=f"{name}-everywhere", marks=pytest.mark.full) for name in BUILT_IN),
    ]


@pytest.mark.parametrize(("name", "networks"), _networks_of_rules())
def test_every_built_in_rule_has_the_traits_that_it_declares(name, networks):
    verdicts = {each.trait: (each.verdict, each.reason) for each in audited(name, networks).traits}
    assert verdicts == {each.trait: _expected(name, each.trait, networks) for each in TRAIT_TESTS}


@pytest.mark.parametrize("sample", [s for s in SAMPLES.values() if s.shapes.segments[1:]], ids=lambda s: s.name)
def test_backprop_is_the_control_and_shows_transport_in_every_network(sample):
    """Were it ever not to, no other rule's clean row would mean anything."""
    control = WEIGHT_TRANSPORT.audit(Backprop, Backprop.traits, [sample])
    assert control.shown is True
    assert control.strongest.value > 0.1
    assert control.strongest.where.endswith("at assign_credit")


@pytest.mark.parametrize("sample", [s for s in SAMPLES.values() if s.shapes.segments[1:]], ids=lambda s: s.name)
def test_fixed_feedback_shows_none_in_any_network(sample):
    assert WEIGHT_TRANSPORT.audit(FeedbackAlignment, FeedbackAlignment.traits, [sample]).strongest.value < 1e-12


@pytest.mark.parametrize("name", ["dense", "conv", "invertible-tower"])
def test_difference_targets_need_the_readouts_weight_for_their_gradient_step_alone(name):
    """With a decoder of the readout no forward weight reaches credit but by activity; decoders learn on the way."""
    rule = DifferenceTargetPropagation
    for first_target, shown in (("gradient", True), ("decoder", False)):
        config = rule.Config(first_target=first_target)
        audit = WEIGHT_TRANSPORT.audit(lambda config=config: rule(config), rule.traits, [SAMPLES[name]])
        assert audit.shown is shown
        if shown:
            assert audit.strongest.where == "readout at assign_credit"


def test_each_trait_has_one_test():
    names = [trait_test.trait for trait_test in TRAIT_TESTS]
    assert len(set(names)) == len(names)
    booleans = {name for name, field in RuleTraits.model_fields.items() if field.annotation is bool}
    # What it may hand to the optimizer is a list one can read, no behaviour to be provoked; predictions and parameters
    # of its own are the kit's to check; a need is no claim; and what counts as credit is the author's to say.
    not_tested = {"learns_feedback", "own_parameters", "own_inference", "norms", "dropout", "has_credit"}
    assert set(names) == booleans - not_tested


def test_a_result_comes_back_equal_from_json_and_says_what_was_audited():
    found = audited("backprop", NETWORKS[:1])
    assert RuleAudit.model_validate_json(found.model_dump_json()) == found
    written = json.loads(found.model_dump_json())
    assert (written["rule"], written["environment"]["rule_distribution"].split()[0]) == ("backprop", "benchsuite")
    assert audited("kolen_pollack", NETWORKS[:1]).config["decay"] == 1e-4


class Raises(FeedbackAlignment):
    name = "raises"

    def after_update(self):
        raise ZeroDivisionError("by the rule")


def test_a_rule_that_raises_is_a_failure_of_the_traits_it_raised_under_and_no_others():
    found = audit_rule(Raises, environment_of(REGISTRY, "feedback_alignment"), NETWORKS[:2])
    crashed = {each.trait for each in found.failed}
    assert {"weight_transport", "separate_phase", "changes_forward_weights"} == crashed
    assert {each.reason for each in found.failed} == {"one-hidden: ZeroDivisionError: by the rule"}
    assert next(each for each in found.traits if each.trait == "unit_specific_feedback").verdict == "confirmed"


class RefusesOneHidden(FeedbackAlignment):
    name = "refuses_one_hidden"

    def attach(self, network, generator):
        super().attach(network, generator)
        if len(network.hidden) == 1:
            raise IncompatibleError(self.name, ["needs two hidden segments"])


def test_a_network_that_attach_refuses_is_left_out_and_is_no_crash():
    """Catches a rule that is said to be broken because it states, where traits cannot, what it needs."""
    environment = environment_of(REGISTRY, "feedback_alignment")
    found = audit_rule(RefusesOneHidden, environment, NETWORKS[:2])
    assert not found.failed
    assert {seen.network for each in found.traits for seen in each.observations} == {"batch-norm"}
    nowhere = audit_rule(RefusesOneHidden, environment, NETWORKS[:1])
    assert {each.verdict for each in nowhere.traits} == {"not_tested"}
    assert any("refused by attach: one-hidden: refuses_one_hidden: needs two" in t.reason for t in nowhere.traits)


def test_a_rule_for_which_there_is_no_network_is_not_said_to_be_right():
    found = audited("gevb", NETWORKS[:1])
    assert {each.verdict for each in found.traits} == {"not_tested"}
