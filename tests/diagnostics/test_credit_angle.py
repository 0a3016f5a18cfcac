"""Oracle: angles worked out by hand, and credits written down."""

from __future__ import annotations

import math

import pytest
import torch

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.angles import mean_angle_deg
from benchsuite.diagnostics.credit_angle import CreditAngle, PreActivationCreditAngle
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CrossEntropy
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.architecture import ChainArchitecture

LAYERS = [
    {"kind": "conv2d", "channels": 3, "kernel": 3, "padding": 1, "norm": "batch", "activation": "tanh"},
    {"kind": "average_pool", "size": 2},
    {"kind": "dense", "units": 8},
    {"kind": "dropout", "probability": 0.5},
    {"kind": "dense", "units": 6},
]


def attached(registry: Registry, name: str, layers: list[dict[str, object]] | None = None) -> Rule:
    architecture = ChainArchitecture.model_validate(
        {"name": "a", "kind": "chain", "layers": LAYERS if layers is None else layers}
    )
    network = build(shapes_of(architecture, (1, 6, 6), 4), torch.Generator().manual_seed(0)).double()
    rule = registry.rule(name)()
    rule.attach(network, torch.Generator().manual_seed(1))
    network.eval()
    rule.eval()
    return rule


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(2)
    inputs = torch.rand(10, 1, 6, 6, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.arange(10) % 4, CrossEntropy())


def test_angles_are_averaged_over_examples_not_over_the_batch() -> None:
    """One example at 0 and one at 90 degrees, of very different length: 45, whatever the lengths."""
    one = torch.tensor([[1.0, 0.0], [100.0, 0.0]])
    two = torch.tensor([[3.0, 0.0], [0.0, 7.0]])
    assert mean_angle_deg(one, two) == pytest.approx(45)


@pytest.mark.parametrize(("second", "angle"), [((1.0, 1.0), 45), ((0.0, 1.0), 90), ((-2.0, 0.0), 180), ((5.0, 0.0), 0)])
def test_angles_are_those_of_the_plane(second: tuple[float, float], angle: float) -> None:
    assert mean_angle_deg(torch.tensor([[1.0, 0.0]]), torch.tensor([second])) == pytest.approx(angle, abs=1e-5)


def test_examples_without_a_direction_are_left_out_and_none_is_undefined_not_zero() -> None:
    nothing = torch.zeros(1, 2)
    something = torch.tensor([[1.0, 0.0]])
    assert mean_angle_deg(nothing, something) is None
    both = torch.cat([something, nothing])
    assert mean_angle_deg(both, torch.cat([something, something])) == pytest.approx(0, abs=1e-5)
    assert mean_angle_deg(torch.full((1, 2), math.nan), something) is None


@pytest.mark.parametrize("diagnostic", [CreditAngle, PreActivationCreditAngle])
def test_backprop_is_at_zero_degrees_to_itself(
    registry: Registry, batch: Batch, diagnostic: type[CreditAngle | PreActivationCreditAngle]
) -> None:
    found = diagnostic().measure(attached(registry, "backprop"), batch)
    assert list(found) == ["conv1", "dense2", "dense3"]
    assert all(value == pytest.approx(0, abs=1e-4) for value in found.values())


def test_dfas_angle_is_that_of_its_projection(registry: Registry, batch: Batch) -> None:
    """By hand: B's columns against the gradient that autograd gives at the output of the last hidden segment."""
    rule = attached(registry, "direct_feedback_alignment")
    network = rule.network
    with network.observed() as outputs:
        logits = network(batch.inputs)
    loss = batch.criterion(logits, batch.targets)
    exact, error = torch.autograd.grad(loss, [outputs["dense3"], logits])
    credit = error @ rule.feedback_weight[:, :6]  # type: ignore[index]
    cosine = torch.nn.functional.cosine_similarity(credit, exact, dim=1)
    expected = torch.rad2deg(torch.arccos(cosine)).mean().item()
    assert CreditAngle().measure(rule, batch)["dense3"] == pytest.approx(expected, rel=1e-9)


def test_the_derivative_makes_the_difference_between_the_two(registry: Registry, batch: Batch) -> None:
    rule = attached(registry, "direct_feedback_alignment")
    network = rule.network
    inputs = batch.inputs
    for name in ("conv1", "average_pool_1", "flatten_2", "dense2", "dropout_4"):
        inputs = network.nodes[name](inputs)
    inputs = inputs.detach()
    pre_activation = network.maps["dense3"](inputs)
    gate = (pre_activation > 0).double()
    logits = network.maps["readout"](torch.relu(pre_activation))
    error = (logits.softmax(1) - torch.nn.functional.one_hot(batch.targets, 4)) / 10
    exact = error @ network.maps["readout"].weight * gate
    credit = error @ rule.feedback_weight[:, :6] * gate  # type: ignore[index]
    assert PreActivationCreditAngle().measure(rule, batch)["dense3"] == pytest.approx(
        mean_angle_deg(credit.detach(), exact.detach()), rel=1e-6
    )


def test_a_segment_without_credit_has_no_angle(registry: Registry, batch: Batch) -> None:
    assert set(CreditAngle().measure(attached(registry, "readout_only"), batch).values()) == {None}


@pytest.mark.parametrize("rule_name", ["backprop", "feedback_alignment", "direct_feedback_alignment", "readout_only"])
def test_measuring_leaves_everything_as_it_was(registry: Registry, batch: Batch, rule_name: str) -> None:
    rule = attached(registry, rule_name)
    before = [t.clone() for t in (*rule.network.state_dict().values(), *rule.state_dict().values())]
    stream = torch.get_rng_state()
    first = CreditAngle().measure(rule, batch)
    assert all(p.grad is None for p in rule.network.parameters())
    assert CreditAngle().measure(rule, batch) == first
    after = (*rule.network.state_dict().values(), *rule.state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert torch.equal(torch.get_rng_state(), stream)
    assert all(not segment._forward_hooks for segment in rule.network.segments.values())


def test_a_random_feedback_starts_near_ninety_degrees(registry: Registry, batch: Batch) -> None:
    """A fresh DFA matrix knows nothing of the network: in a wide segment its credit is orthogonal to the gradient."""
    rule = attached(registry, "direct_feedback_alignment", [{"kind": "dense", "units": 4000}])
    angle = CreditAngle().measure(rule, batch)["dense1"]
    assert angle == pytest.approx(90, abs=5)
