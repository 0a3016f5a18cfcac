"""Oracle: the papers' change of one weight, added up example by example and position by position."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from benchsuite.credit.batch import Batch, BatchShard
from benchsuite.networks import Network
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.soft_hebb import SoftHebb

TARGETS = torch.tensor([0, 2, 1, 1])


def _attached(layers: list[dict[str, Any]], input_shape: tuple[int, ...], **config: object) -> tuple[SoftHebb, Batch]:
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "small", "layers": layers})
    network = build(shapes_of(spec, input_shape, 3), Generator().manual_seed(1)).double()
    rule = SoftHebb(SoftHebb.Config.model_validate(config))
    rule.attach(network, Generator().manual_seed(2))
    inputs = torch.randn(4, *input_shape, generator=Generator().manual_seed(9)).double()
    return rule, Batch(inputs, TARGETS, CRITERIA["cross_entropy"])


def _change(w: torch.Tensor, xs: torch.Tensor, us: torch.Tensor, temperature: float, *, anti: bool) -> torch.Tensor:
    """Return the mean of y_i (x - u_i w_i) over rows of inputs and pre-activations."""
    total = torch.zeros_like(w)
    for x, u in zip(xs, us, strict=True):
        y = torch.exp(u / temperature) / torch.exp(u / temperature).sum()
        for i in range(len(w)):
            sign = -1 if anti and i != int(u.argmax()) else 1
            total[i] += sign * y[i] * (x - u[i] * w[i])
    return total / len(xs)


def _hidden(network: Network) -> tuple[torch.Tensor, torch.Tensor]:
    own = next(iter(network.maps.values()))
    return own.weight.detach(), own.bias.detach()


@pytest.mark.parametrize("anti", [False, True])
@pytest.mark.parametrize("centered", [False, True])
def test_the_gradient_is_the_negative_of_the_papers_change(anti, centered):
    """Catches a change of the wrong sign, which unlearns, and a decay by another unit's activity."""
    rule, batch = _attached(
        [{"kind": "dense", "units": 5}], (6,), temperature=0.3, anti_hebbian=anti, centered=centered
    )
    w, b = _hidden(rule.network)
    x, u = batch.inputs, batch.inputs @ w.t() + b
    if centered:
        x, u = x - x.mean(0), u - u.mean(0)
    rule.assign_credit(batch)
    assert torch.allclose(rule.network.maps["dense1"].weight.grad, -_change(w, x, u, 0.3, anti=anti), rtol=1e-10)
    assert rule.network.maps["dense1"].bias.grad is None
    assert rule.untrained == {"nodes.dense1.map.bias"}


def test_units_of_a_convolution_compete_at_each_position():
    """Catches a softmax over positions, and a sum over them, which would tie the rate to the image's size."""
    rule, batch = _attached(
        [{"kind": "conv2d", "channels": 3, "kernel": 2}], (2, 4, 4), temperature=0.5, centered=False
    )
    w, b = _hidden(rule.network)
    patches = F.unfold(batch.inputs, 2).transpose(1, 2).reshape(-1, 8)  # (batch·positions, inputs)
    change = _change(w.flatten(1), patches, patches @ w.flatten(1).t() + b, 0.5, anti=False)
    rule.assign_credit(batch)
    assert torch.allclose(rule.network.maps["conv1"].weight.grad.flatten(1), -change, rtol=1e-10)


def test_the_readout_learns_by_the_output_error_alone():
    """Catches a readout that competes, or none that learns."""
    rule, batch = _attached([{"kind": "dense", "units": 5}], (6,))
    readout = rule.network.maps["readout"]
    loss = batch.criterion(rule.network(batch.inputs), batch.targets)
    expected = torch.autograd.grad(loss, [readout.weight, readout.bias])
    rule.assign_credit(batch)
    assert torch.allclose(readout.weight.grad, expected[0])
    assert torch.allclose(readout.bias.grad, expected[1])


def test_two_ranks_together_leave_the_change_of_one():
    """Catches a mean over a rank's own examples: the result would depend on the number of processes."""
    rule, batch = _attached([{"kind": "dense", "units": 5}], (6,))
    weight = rule.network.maps["dense1"].weight
    rule.assign_credit(batch)
    whole, halves = weight.grad.clone(), []
    for own in (slice(0, 2), slice(2, 4)):
        rule.network.zero_grad(set_to_none=True)
        both = iter([batch.inputs, batch.inputs @ weight.detach().t() + rule.network.maps["dense1"].bias.detach()])
        shard = BatchShard(own.start, 4, lambda _, both=both: next(both).sum(0, keepdim=True))
        rule.assign_credit(Batch(batch.inputs[own], batch.targets[own], batch.criterion, shard))
        halves.append(weight.grad.clone())
    assert torch.allclose(sum(halves) / 2, whole)
