"""Oracles: forward passes written out by hand on the network's own modules, autograd, and paths counted by eye."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from benchsuite.credit import ReplacedFeedbackRule, record_forward
from benchsuite.credit.batch import Batch
from benchsuite.errors import ShapeError
from benchsuite.execution.estimate import estimate
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment


def _conv(channels=3, **options):
    return {"kind": "conv2d", "channels": channels, "kernel": 3, "padding": 1, "activation": "tanh", **options}


SUM = {"kind": "sum"}
POOL = {"kind": "max_pool", "size": 2}
# conv1 -> conv2 -> (conv1 + conv2) -> pool -> conv3 -> (conv3 + pool) -> readout
LAYERS = [_conv(), _conv(), SUM, POOL, _conv(), SUM]


def _shapes(layers=LAYERS, input_shape=(2, 6, 6), classes=4):
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": layers})
    return shapes_of(spec, input_shape, classes)


def _network(layers=LAYERS, **shape):
    return build(_shapes(layers, **shape), Generator().manual_seed(0)).double()


def _batch(input_shape=(2, 6, 6)):
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(5, *input_shape, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.tensor([0, 1, 2, 3, 0]), CRITERIA["cross_entropy"])


def _by_hand(network, x):
    s = network.segments
    first = s["conv1"](x)
    pooled = torch.nn.functional.max_pool2d(s["conv2"](first) + first, 2)
    return s["readout"]((s["conv3"](pooled) + pooled).flatten(1))


def test_a_sum_adds_the_two_layers_before_it_without_a_nonlinearity():
    """Would catch the wrong skip, a sum through a nonlinearity, or one over the map's output before its own."""
    network, x = _network(), _batch().inputs
    torch.testing.assert_close(network(x), _by_hand(network, x), rtol=0, atol=0)


def test_backprop_of_a_residual_network_is_autograds():
    """Would catch credit that takes one of the two paths only."""
    network, batch = _network(), _batch()
    rule = Backprop()
    rule.attach(network, Generator().manual_seed(0))
    rule.assign_credit(batch)
    parameters = list(network.parameters())
    expected = torch.autograd.grad(batch.criterion(_by_hand(network, batch.inputs), batch.targets), parameters)
    for parameter, gradient in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-14)


def test_terms_are_counted_back_in_layers_of_the_spec():
    """Would catch a count over nodes, in which a flatten that the builder puts in would shift every term."""
    dense = {"kind": "dense", "units": 6, "activation": "tanh"}
    network = _network([dense, dense, dense, {**SUM, "of": [1, 3]}], input_shape=(2, 3, 3))
    x, s = _batch((2, 3, 3)).inputs, network.segments
    first = s["dense1"](x.flatten(1))
    expected = s["readout"](s["dense3"](s["dense2"](first)) + first)
    torch.testing.assert_close(network(x), expected, rtol=0, atol=0)


def test_a_sum_of_three_and_of_the_networks_input():
    """Would catch the data confused with the last node, and terms after the second forgotten."""
    network, x = _network([_conv(2), _conv(2), {**SUM, "of": [1, 2, 3]}]), _batch().inputs
    first = network.segments["conv1"](x)
    expected = network.segments["readout"]((network.segments["conv2"](first) + first + x).flatten(1))
    torch.testing.assert_close(network(x), expected)


def test_outline_of_a_residual_network():
    """Would catch a residual network offered to rules that know chains only, and sums counted as work."""
    plan = _shapes()
    assert plan.topology == "residual"
    assert _shapes([_conv(), POOL]).topology == "chain"
    assert [node.output_shape for node in plan.nodes][2:6] == [(3, 6, 6), (3, 3, 3), (3, 3, 3), (3, 3, 3)]
    assert plan.sources == ((-1,), (0,), (1, 0), (2,), (3,), (4, 3), (5,), (6,))
    assert plan.parameters == (54 + 3) + (81 + 3) * 2 + (27 * 4 + 4)
    assert _shapes([_conv(), POOL]).sources == ((-1,), (0,), (1,), (2,))


def test_upstream_follows_every_path():
    """Would catch a segment on the skip left out of what a replaced map changes."""
    upstream = _shapes([_conv(2), {**SUM, "of": [1, 2]}, _conv(2)]).upstream
    assert upstream == {"conv1": frozenset(), "conv2": {"conv1"}, "readout": {"conv1", "conv2"}}


def test_segments_that_read_only_the_data_send_no_credit():
    """Would catch feedback weights drawn for a map whose pulled-back credit nobody uses."""
    assert _network().credit_senders == ("conv2", "conv3", "readout")
    first_pooled = _network([POOL, _conv(2), SUM])
    assert first_pooled.credit_senders == ("readout",)


class _OneReplaced(ReplacedFeedbackRule):
    """Feedback in one segment alone."""

    name = "one_replaced"
    traits = Backprop.traits

    def __init__(self, segment):
        super().__init__()
        self.segment = segment

    def draw_feedback(self, linear_map, generator):
        replaced = linear_map is self.network.maps[self.segment]
        return torch.randn(linear_map.weight.shape, generator=generator).double() if replaced else None


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [("conv2", ("conv1",)), ("conv3", ("conv1", "conv2")), ("readout", ("conv1", "conv2", "conv3"))],
)
def test_a_segment_is_taken_over_if_any_path_from_it_passes_a_replaced_map(replaced, expected):
    """Would catch the skip path hiding that a segment's credit is not backprop's; autograd is asked as well."""
    network, batch = _network(), _batch()
    rule = _OneReplaced(replaced)
    rule.attach(network, Generator().manual_seed(3))
    assert rule.taken_over == expected
    rule.assign_credit(batch)
    exact = torch.autograd.grad(
        batch.criterion(_by_hand(network, batch.inputs), batch.targets), [m.weight for m in network.maps.values()]
    )
    changed = [
        name
        for (name, linear_map), gradient in zip(network.maps.items(), exact, strict=True)
        if not torch.allclose(linear_map.weight.grad, gradient)
    ]
    assert tuple(changed) == expected


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_the_tape_of_a_residual_network_cuts_every_path(activation):
    """Would catch a skip left connected, over which credit would travel; gelu keeps graphs within segments."""
    network = _network([_conv(activation=activation), _conv(activation=activation), SUM])
    batch = _batch()
    tape = record_forward(network, batch)
    torch.testing.assert_close(tape.logits, network(batch.inputs))
    assert not any(values.requires_grad for values in tape.inputs.values())
    first, second = tape.outputs["conv1"].detach(), tape.outputs["conv2"].detach()
    torch.testing.assert_close(tape.inputs["readout"], (first + second).flatten(1), rtol=0, atol=0)
    tape.assign({"conv2": torch.ones_like(second)})
    assert network.maps["conv1"].weight.grad is None
    alone = torch.autograd.grad(network.segments["conv2"](first).sum(), network.maps["conv2"].weight)
    torch.testing.assert_close(network.maps["conv2"].weight.grad, *alone)


@pytest.mark.parametrize("matrix", ["shared", "per_segment"])
def test_direct_feedback_alignment_cuts_the_skip_path(matrix):
    """Every segment gets its own projection of the error and nothing else: no exact credit comes down a skip.

    Oracle: autograd within one segment, on what came into it. Would catch the leak of BioTorch's DFA, whose skips carry
    the exact error to every block below.
    """
    network, batch = (
        _network([_conv(), _conv(), SUM, {"kind": "activation", "activation": "relu"}, _conv(), SUM]),
        _batch(),
    )
    rule = DirectFeedbackAlignment(DirectFeedbackAlignment.Config(matrix=matrix))
    rule.attach(network, Generator().manual_seed(2))
    rule.feedback_weight = rule.feedback_weight.double()
    assert rule.taken_over == ("conv1", "conv2", "conv3")
    rule.assign_credit(batch)
    s, x = network.segments, batch.inputs
    with torch.no_grad():
        first = s["conv1"](x)
        joined = (s["conv2"](first) + first).relu()
        read = {"conv1": x, "conv2": first, "conv3": joined, "readout": (s["conv3"](joined) + joined).flatten(1)}
    logits = s["readout"](read["readout"])
    error = torch.autograd.grad(batch.criterion(logits, batch.targets), logits)[0]
    for name, columns in rule.columns.items():
        output = s[name](read[name])
        credit = (error @ rule.feedback_weight[:, columns]).view(output.shape)
        expected = torch.autograd.grad(output, list(s[name].parameters()), credit)
        for parameter, gradient in zip(s[name].parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([_conv(3), _conv(4), SUM], r"layer 3, sum of the layers 1, 2 back: .* \(4, 6, 6\), \(3, 6, 6\)"),
        ([_conv(), {**SUM, "of": [1, 3]}], r"layer 2, .* 3 layers back is before the network's input, which is 2 back"),
    ],
)
def test_impossible_sums_are_refused_with_their_shapes(layers, message):
    """Would catch a broadcast between one channel and many, and a term wrapped around to the list's end."""
    with pytest.raises(ShapeError, match=message):
        _shapes(layers)


@pytest.mark.parametrize(
    ("terms", "message"), [([2, 3], "layer before"), ([1, 1], "different"), ([1, 0], "at least 1"), ([1], "at least 2")]
)
def test_sums_that_leave_a_layer_unread_or_repeat_one_are_refused(terms, message):
    """Would catch a segment that no path connects to the output, which would silently never learn."""
    with pytest.raises(ValueError, match=message):
        ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": [{**SUM, "of": terms}]})


def test_estimated_credit_leaves_out_only_segments_that_read_the_data():
    """Would catch the cost of backprop in a residual network worked out as for another one."""
    plan = _shapes([_conv(2), {**SUM, "of": [1, 2]}, _conv(2)])
    protocol = ProtocolSpec.model_validate(
        {"epochs": 1, "batch_size": 10, "optimizer": {"kind": "sgd", "learning_rate": 0.1}}
    )
    conv, readout = 2 * 2 * 9 * 36, 72 * 4
    found = estimate(plan, Backprop, Backprop.Config(), protocol, 10, 0).flops_per_step
    assert found == 2 * 10 * (2 * (2 * conv + readout) + conv + readout)
