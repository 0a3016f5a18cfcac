"""Oracle: the definition, entry by entry, and autograd through torch.where."""

from __future__ import annotations

import pytest
import torch

from benchsuite.credit import record_forward
from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.nonlinearity import nonlinearity_of
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.feedback_alignment import FeedbackAlignment

SHAPES = [(3, 6), (3, 4, 5, 5), (2, 5)]


def _normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _defined(values):
    """Return h where t·h > 0, with t = -1 in even and +1 in odd channels."""
    kept = values.clone()
    for channel in range(values.shape[1]):
        h = values[:, channel]
        kept[:, channel] = torch.where((h < 0) if channel % 2 == 0 else (h > 0), h, torch.zeros_like(h))
    return kept


@pytest.mark.parametrize("shape", SHAPES)
def test_even_channels_pass_what_is_negative_and_odd_ones_what_is_positive(shape):
    """Would catch a plain ReLU, or even and odd exchanged: pairs would no longer be ON and OFF."""
    gate, values = nonlinearity_of("scalar_gate"), _normal(*shape)
    assert torch.equal(gate.apply(values), _defined(values))
    assert (gate.apply(values)[:, 0::2] <= 0).all()
    assert (gate.apply(values)[:, 1::2] >= 0).all()
    assert torch.equal(gate.apply_in_place(values.clone()), _defined(values))


@pytest.mark.parametrize("form", ["apply", "apply_in_place"])
@pytest.mark.parametrize("shape", SHAPES)
def test_its_gradient_passes_where_the_value_does(shape, form):
    """Would catch a sign left on the gradient, and a saved tensor overwritten by working in place."""
    gate, values, cotangent = nonlinearity_of("scalar_gate"), _normal(*shape), _normal(*shape, seed=1)
    expected = torch.where(_defined(values) != 0, cotangent, 0.0)
    leaf = values.clone().requires_grad_()
    output = getattr(gate, form)(leaf * 1)
    output.backward(cotangent)
    assert torch.equal(leaf.grad, expected)
    assert torch.equal(gate.pull_back(cotangent, output.detach()), expected)


def test_applying_leaves_the_values_as_they_are():
    """Would catch the form for outside callers working in place."""
    values = _normal(3, 6)
    before = values.clone()
    nonlinearity_of("scalar_gate").apply(values)
    assert torch.equal(values, before)


def _network(seed=0):
    defaults = {"activation": "scalar_gate", "initialization": {"scheme": "he_normal"}}
    layers = [
        {"kind": "conv2d", "channels": 4, "kernel": 3},
        {"kind": "average_pool", "size": 2},
        {"kind": "dense", "units": 6},
    ]
    spec = {"kind": "chain", "name": "gated", "layers": layers, "defaults": defaults}
    plan = shapes_of(ChainArchitecture.model_validate(spec), (2, 6, 6), 3)
    return build(plan, torch.Generator().manual_seed(seed)).double()


def _plain_loss(network, batch):
    """Return the loss by torch's functions alone."""
    conv, dense, readout = (network.maps[name] for name in ("conv1", "dense2", "readout"))

    def gate(values):
        signs = torch.ones_like(values)
        signs[:, 0::2] = -1
        return torch.where(values * signs > 0, values, 0.0)

    h = gate(torch.nn.functional.conv2d(batch.inputs, conv.weight, conv.bias))
    h = torch.nn.functional.avg_pool2d(h, 2).flatten(1)
    h = gate(h @ dense.weight.T + dense.bias)
    return torch.nn.functional.cross_entropy(h @ readout.weight.T + readout.bias, batch.targets)


def test_backprop_and_direct_credit_in_a_gated_network_are_autograds():
    """Would catch a gate that is right alone and wrong inside a segment, whose output is all a tape keeps."""
    network = _network()
    batch = Batch(_normal(5, 2, 6, 6), torch.tensor([0, 1, 2, 0, 1]), CRITERIA["cross_entropy"])
    expected = torch.autograd.grad(_plain_loss(network, batch), list(network.parameters()))
    rule = Backprop()
    rule.attach(network, torch.Generator().manual_seed(1))
    rule.assign_credit(batch)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-12)
    network.zero_grad(set_to_none=True)
    credit = {n: _normal(*o.shape, seed=3) for n, o in record_forward(network, batch).outputs.items() if n != "readout"}
    tape = record_forward(network, batch)
    tape.assign(credit)
    for name in network.hidden:
        segment = network.segments[name]
        outputs = _defined_with_graph(segment.map(tape.inputs[name]))
        own = torch.autograd.grad(outputs, list(segment.parameters()), credit[name])
        for parameter, gradient in zip(segment.parameters(), own, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-12)


def _defined_with_graph(values):
    return torch.where(_defined(values.detach()) != 0, values, 0.0)


def test_feedback_passes_the_gate():
    """Would catch the replaced path failing where the nonlinearity works in place."""
    network = _network()
    batch = Batch(_normal(5, 2, 6, 6), torch.tensor([0, 1, 2, 0, 1]), CRITERIA["cross_entropy"])
    rule = FeedbackAlignment()
    rule.attach(network, torch.Generator().manual_seed(1))
    rule.assign_credit(batch)
    assert all(p.grad.any() for p in network.parameters())
