"""Layer and group norms. The oracles are torch's own modules, and autograd through a network written out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchsuite.credit.batch import Batch
from benchsuite.credit.traits import incompatibilities
from benchsuite.errors import ShapeError
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import criterion_of
from benchsuite.networks.network import Network
from benchsuite.networks.shapes.infer import infer_shapes
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture

RULES = installed_registry().rules
CONV: list[dict[str, Any]] = [
    {"kind": "conv2d", "channels": 6, "kernel": 3, "norm": {"kind": "group", "groups": 3}, "activation": "tanh"},
    {"kind": "conv2d", "channels": 4, "kernel": 3, "norm": "layer", "norm_order": "activation_first"},
    {"kind": "dense", "units": 8, "norm": "layer"},
]
BLOCKS: list[dict[str, Any]] = [
    {"kind": "dense", "units": 8},
    {"kind": "dense", "units": 8},
    {"kind": "dense", "units": 8, "activation": "identity"},
    {"kind": "sum", "of": [1, 3]},
    {"kind": "activation", "activation": "relu"},
]


def shapes_of(layers: list[dict[str, Any]], **defaults: Any) -> NetworkShapes:
    spec = {"name": "normed", "kind": "chain", "layers": layers, "defaults": defaults}
    return infer_shapes(ChainArchitecture.model_validate(spec), (2, 6, 6), 3)


def network_of(layers: list[dict[str, Any]], **defaults: Any) -> Network:
    network = build(shapes_of(layers, **defaults), torch.Generator().manual_seed(0)).double()
    for parameter in network.parameters():  # scales and shifts too
        nn.init.normal_(parameter, 0.1, 0.5, generator=torch.Generator().manual_seed(parameter.numel()))
    return network


def by_hand(network: Network, inputs: torch.Tensor) -> torch.Tensor:
    """Return what the conv network gives, by torch's functions."""
    first, second, third, readout = network.segments.values()
    x = F.conv2d(inputs, first.map.weight, first.map.bias)
    x = torch.tanh(F.group_norm(x, 3, first.norm.weight, first.norm.bias))
    x = torch.relu(F.conv2d(x, second.map.weight, second.map.bias))
    means, variances = x.mean((1, 2, 3), keepdim=True), x.var((1, 2, 3), keepdim=True, correction=0)
    x = (x - means) / (variances + 1e-5).sqrt()
    x = x * second.norm.weight[:, None, None] + second.norm.bias[:, None, None]
    x = F.linear(x.flatten(1), third.map.weight, third.map.bias)
    x = torch.relu(F.layer_norm(x, (8,), third.norm.weight, third.norm.bias))
    return F.linear(x, readout.map.weight, readout.map.bias)


def test_a_network_with_them_is_torchs() -> None:
    """Catches statistics over the batch, over the wrong axes, or on the wrong side of the nonlinearity."""
    network, inputs = network_of(CONV), torch.randn(5, 2, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(network(inputs), by_hand(network, inputs))
    torch.testing.assert_close(network(inputs[:1]), network(inputs)[:1])
    network.eval()
    torch.testing.assert_close(network(inputs), by_hand(network, inputs))


@pytest.mark.parametrize("layers", [CONV, BLOCKS], ids=["conv", "residual dense blocks"])
def test_a_plan_counts_their_parameters(layers: list[dict[str, Any]]) -> None:
    network = network_of(layers, norm="layer")
    assert network.shapes.parameters == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("layers", [CONV, BLOCKS], ids=["conv", "residual dense blocks"])
@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_that_takes_norms_takes_these(name: str, layers: list[dict[str, Any]]) -> None:
    """Catches a rule that knows batch norm alone: it reads running averages, or what it does breaks off here."""
    rule = RULES[name]
    network = network_of(layers, norm="layer")
    if incompatibilities(rule.traits, network.shapes, "cross_entropy"):
        return
    trained = rule(rule.Config())
    trained.attach(network, torch.Generator().manual_seed(0))
    trained.double()
    trained.before_training()
    inputs, targets = torch.randn(12, 2, 6, 6, dtype=torch.float64), torch.arange(12) % 3
    result = trained.assign_credit(Batch(inputs, targets, criterion_of("cross_entropy")))
    assert result.loss.isfinite()
    for parameter_name, parameter in network.named_parameters():
        if parameter_name not in trained.untrained and rule.traits.trains_hidden:
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name


def test_backprops_gradient_is_autograds() -> None:
    network, inputs = network_of(CONV), torch.randn(6, 2, 6, 6, dtype=torch.float64)
    targets = torch.arange(6) % 3
    loss = F.cross_entropy(by_hand(network, inputs), targets)
    wanted = torch.autograd.grad(loss, tuple(network.parameters()))
    trained = RULES["backprop"](RULES["backprop"].Config())
    trained.attach(network, torch.Generator())
    trained.assign_credit(Batch(inputs, targets, criterion_of("cross_entropy")))
    for parameter, gradient in zip(network.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_a_probe_goes_through_the_norm_or_past_it() -> None:
    """Catches a mirror phase that fails where the norm has no statistics of a batch."""
    segment = network_of(CONV).segments["conv1"]
    noise = torch.randn(4, 2, 6, 6, dtype=torch.float64)
    torch.testing.assert_close(segment.probe(noise, norm="batch_statistics"), segment(noise))
    assert not torch.allclose(segment.probe(noise), segment(noise))


def test_groups_that_do_not_divide_the_channels_are_refused() -> None:
    wrong = [{"kind": "conv2d", "channels": 4, "kernel": 3, "norm": {"kind": "group", "groups": 3}}]
    with pytest.raises(ShapeError, match="layer 1, norm of 3 groups: they do not divide 4 channels"):
        shapes_of(wrong)


def test_specs_of_before_are_written_as_they_were() -> None:
    """Catches stored runs that lose their name."""
    spec = ChainArchitecture.model_validate({"name": "a", "kind": "chain", "layers": [], "defaults": {"norm": "batch"}})
    assert spec.model_dump(mode="json")["defaults"]["norm"] == "batch"
