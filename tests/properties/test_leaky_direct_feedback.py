"""Oracles: direct feedback alignment, which it is in a chain, and the sum of projections that a skip lets through.

For filters as BioTorch has them: torch's transposed convolution, and Glorot's bound.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Generator, Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.errors import IncompatibleError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
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


CONV = {"kind": "conv2d", "channels": 5, "kernel": 3, "padding": 1}


def image_network(*layers: dict[str, Any]) -> Network:
    defaults = {"activation": "tanh"}
    spec = ChainArchitecture.model_validate({"name": "a", "kind": "chain", "layers": layers, "defaults": defaults})
    return build(shapes_of(spec, (2, 7, 7), 4), Generator().manual_seed(0)).double()


def kernel_rule() -> LeakyDirectFeedbackAlignment:
    return LeakyDirectFeedbackAlignment(LeakyDirectFeedbackAlignment.Config(feedback="kernel"))


def test_filters_pull_the_error_back_from_every_position() -> None:
    """Catches an error at one position alone, filters of the wrong axis order, and a stride or padding that is lost."""
    rule, network = kernel_rule(), image_network(CONV, {**CONV, "channels": 3, "stride": 2, "padding": 0})
    rule.attach(network, Generator().manual_seed(2))
    inputs = torch.randn(5, 2, 7, 7, dtype=torch.float64, generator=Generator().manual_seed(1))
    rule.assign_credit(Batch(inputs, torch.arange(5) % 4, CRITERIA["cross_entropy"]))
    filters = rule.filters.by_segment
    assert {name: tuple(weight.shape) for name, weight in filters.items()} == {
        "conv2": (4, 5, 3, 3),
        "readout": (4, 27),
    }
    with torch.no_grad():
        first = network.segments["conv1"](inputs)  # (5, 5, 7, 7)
        second = network.segments["conv2"](first)  # (5, 3, 3, 3)
        error = torch.softmax(network.segments["readout"](second.flatten(1)), 1)
        error[torch.arange(5), torch.arange(5) % 4] -= 1
        error /= 5
        everywhere = error[:, :, None, None].repeat(1, 1, 3, 3)
        credit = F.conv_transpose2d(everywhere, filters["conv2"], stride=2) * (1 - first**2)
        above = (error @ filters["readout"]).view_as(second) * (1 - second**2)
    for name, cotangent in (("conv1", credit), ("conv2", above)):
        found = network.maps[name].bias
        assert found is not None
        assert found.grad is not None
        torch.testing.assert_close(found.grad, cotangent.sum((0, 2, 3)), rtol=1e-9, atol=1e-12)
    weight = network.maps["conv1"].weight
    expected = torch.nn.grad.conv2d_weight(inputs, weight.shape, credit, padding=1)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(weight.grad, expected, rtol=1e-9, atol=1e-12)


def test_filters_are_glorot_uniform_in_their_own_shape() -> None:
    """Catches the bound of the map's own weight, which is another where channels are not classes."""
    rule = kernel_rule()
    rule.attach(image_network(CONV, {**CONV, "channels": 64}), Generator().manual_seed(2))
    bound = (6 / ((5 + 4) * 9)) ** 0.5
    assert 0.9 * bound < float(rule.filters.by_segment["conv2"].abs().max()) <= bound


@pytest.mark.parametrize(
    "layer", [{**CONV, "kind": "locally_connected2d"}, {**CONV, "groups": 5}], ids=["locally connected", "groups"]
)
def test_maps_without_a_shared_filter_are_refused_by_name(layer: dict[str, Any]) -> None:
    with pytest.raises(IncompatibleError, match="needs one filter per channel"):
        kernel_rule().attach(image_network(CONV, layer), Generator())


def test_what_describes_the_matrix_is_refused_with_filters() -> None:
    """Catches a setting that is recorded and has no effect."""
    with pytest.raises(ValidationError, match="range describe the matrix"):
        LeakyDirectFeedbackAlignment.Config(feedback="kernel", range=0.5)
    written = LeakyDirectFeedbackAlignment.Config(feedback="kernel").model_dump()
    assert LeakyDirectFeedbackAlignment.Config.model_validate(written).feedback == "kernel"
    assert "feedback" not in LeakyDirectFeedbackAlignment.Config().model_dump()
