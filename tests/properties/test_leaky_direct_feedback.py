"""Oracles: direct feedback alignment, which it is in a chain, and the sum of projections that a skip lets through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor

from benchsuite.credit.rule import Batch, Rule
from benchsuite.networks.builder import build, shapes_of
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.network import Network
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.leaky_direct_feedback_alignment import LeakyDirectFeedbackAlignment

DENSE = {"kind": "dense", "units": 6}
CHAIN = [{**DENSE, "norm": "batch"}, DENSE, DENSE]
# dense1, dense2, then the sum of both: what reaches dense1 does so past dense2 as well.
RESIDUAL = [DENSE, DENSE, {"kind": "sum", "of": [1, 2]}]


def network_of(layers: list[dict[str, Any]]) -> Network:
    defaults = {"activation": "tanh"}
    spec = ChainArchitecture.model_validate({"name": "a", "kind": "chain", "layers": layers, "defaults": defaults})
    return build(shapes_of(spec, (6,), 4), Generator().manual_seed(0)).double()


def some_batch() -> Batch:
    inputs = torch.randn(5, 6, dtype=torch.float64, generator=Generator().manual_seed(1))
    return Batch(inputs, torch.arange(5) % 4, CRITERIA["cross_entropy"])


def gradients(rule: Rule, layers: list[dict[str, Any]]) -> dict[str, Tensor]:
    network = network_of(layers)
    rule.attach(network, Generator().manual_seed(2))
    network.train()
    rule.assign_credit(some_batch())
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


def test_in_a_chain_it_is_direct_feedback_alignment() -> None:
    cut, leaky = (gradients(rule(), CHAIN) for rule in (DirectFeedbackAlignment, LeakyDirectFeedbackAlignment))
    assert cut.keys() == leaky.keys()
    for name, gradient in cut.items():
        torch.testing.assert_close(leaky[name], gradient, msg=name)


def test_down_a_skip_the_readouts_projection_is_added_to_the_maps_own() -> None:
    """Catches a leak that is cut, one that is exact, and a map that lets its own cotangent through."""
    rule = LeakyDirectFeedbackAlignment()
    found = gradients(rule, RESIDUAL)
    network, batch = rule.network, some_batch()
    dense1, dense2 = network.segments["dense1"], network.segments["dense2"]
    with torch.no_grad():
        hidden = dense1(batch.inputs)
        above = dense2(hidden)
        error = torch.softmax(network.segments["readout"](hidden + above), 1)
        error[torch.arange(5), batch.targets] -= 1
        credit = error / 5 @ rule.feedback_weight[:, :6]
    for segment, inputs, output, times in ((dense1, batch.inputs, hidden, 2), (dense2, hidden, above, 1)):
        expected = (times * credit * (1 - output**2)).t() @ inputs
        name = "dense1" if segment is dense1 else "dense2"
        torch.testing.assert_close(found[f"nodes.{name}.map.weight"], expected, rtol=1e-5, atol=1e-7)
    exact = gradients(DirectFeedbackAlignment(), RESIDUAL)["nodes.dense1.map.weight"]
    assert not torch.allclose(found["nodes.dense1.map.weight"], exact)
