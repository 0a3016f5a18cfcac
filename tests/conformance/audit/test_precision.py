"""Oracles: rules whose arithmetic is known to keep or to lose digits, and what the module promises to leave alone."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from benchsuite.conformance.audit.precision import THRESHOLD, PrecisionMeasurement, measure_precision
from benchsuite.conformance.samples import SAMPLE_NETWORKS, SampleNetwork
from benchsuite.credit.rule import Rule
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.gait_prop import GaitProp
from benchsuite_rules.node_perturbation import NodePerturbation

DENSE = next(sample for sample in SAMPLE_NETWORKS if sample.name == "dense")
LEAKY = {"kind": "leaky_relu", "slope": 0.1}
SQUARE = SampleNetwork(
    ChainArchitecture.model_validate(
        {
            "kind": "chain",
            "name": "square",
            "form": "invertible",
            "layers": [{"kind": "dense", "units": 32}] * 4,
            "defaults": {"activation": LEAKY, "initialization": {"scheme": "orthogonal"}},
        }
    ),
    (32,),
)


class Cancelling(Backprop):
    """Adds numbers of this size to a gradient and takes them away again."""

    size = 1e6

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        for parameter in self.network.parameters():
            large = parameter.detach() * self.size
            # In parts, each with a rounding of its own.
            parameter.grad = ((parameter.grad + large) - 0.9 * large) - 0.1 * large
        return result


class CancellingInAnyFormat(Cancelling):
    size = 1e16


def measured(rule: Rule, sample: SampleNetwork, autocast: torch.dtype | None = None) -> PrecisionMeasurement:
    pair = [rule, type(rule)(rule.reference_config(rule.config))]
    for one in pair:
        one.attach(sample.build(Generator().manual_seed(1)), Generator().manual_seed(2))
        one.network.autocast_dtype = autocast
    return measure_precision(pair[0], pair[1], sample.batch(0))


def largest(found: PrecisionMeasurement) -> float:
    return max(seen.relative_difference for seen in found.segments)


def test_backprop_in_float32_is_within_its_rounding():
    """Would catch a reference of other weights, or in evaluation where the update is in training."""
    found = measured(Backprop(), DENSE)
    assert [seen.segment for seen in found.segments] == list(DENSE.build(Generator()).segments)
    assert 1e-9 < largest(found) < 1e-5
    assert found.uncertainty < 1e-12


def test_backprop_in_bf16_is_further_off_and_still_itself():
    """Would catch a reference that runs under autocast, too, and so agrees with anything."""
    assert 1e-4 < largest(measured(Backprop(), DENSE, torch.bfloat16)) < THRESHOLD


def test_a_rule_that_subtracts_near_equal_numbers_is_decided_by_float32_and_not_by_float64():
    found = measured(Cancelling(), DENSE)
    assert largest(found) > THRESHOLD
    assert found.uncertainty < 1e-3


def test_a_reference_that_rounding_decides_is_known_as_such():
    """Would catch trust in float64: both would be noise, or both zero, and no difference would tell."""
    assert measured(CancellingInAnyFormat(), DENSE).uncertainty > THRESHOLD


@pytest.mark.parametrize(("form", "is_decided"), [("targets", True), ("differences", False)])
def test_the_form_of_the_target_pass_decides_in_float32(form, is_decided):
    """The reference is exact in either case, since the rule says how it is worked out."""
    found = measured(GaitProp(GaitProp.Config(form=form, precision="float32")), SQUARE)
    assert (largest(found) > THRESHOLD) == is_decided
    assert found.uncertainty < 1e-9


def test_the_reference_sees_the_same_noise():
    """Would catch noise drawn anew in float64: a random rule would seem to be all rounding."""
    assert largest(measured(NodePerturbation(), DENSE)) < 1e-3


def test_the_measured_rule_stays_as_it_was():
    rule = NodePerturbation()
    rule.attach(DENSE.build(Generator().manual_seed(1)), Generator().manual_seed(2))
    reference = NodePerturbation()
    reference.attach(DENSE.build(Generator().manual_seed(3)), Generator().manual_seed(4))
    before = {name: value.clone() for name, value in rule.network.state_dict().items()}
    measure_precision(rule, reference, DENSE.batch(0))
    assert rule.training
    assert rule.network.training
    assert all(parameter.grad is None and parameter.dtype == torch.float32 for parameter in rule.network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in rule.network.state_dict().items())
