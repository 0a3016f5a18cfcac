"""Oracles: forward passes written out by hand on the network's own modules, autograd, and counts made by eye."""

from __future__ import annotations

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import Generator

from benchsuite.credit import record_forward
from benchsuite.credit.batch import Batch
from benchsuite.errors import ShapeError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.segments import Activate
from benchsuite.networks.shapes.network_shapes import FixedLayerShapes
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.gevb import GlobalErrorVectorBroadcasting

SUM = {"kind": "sum"}
RELU = {"kind": "activation", "activation": "relu"}
GLOBAL = {"kind": "global_average_pool"}


def _conv(channels=4, kernel=3, **options):
    plain = {"kind": "conv2d", "channels": channels, "kernel": kernel, "padding": kernel // 2, "activation": "identity"}
    return {**plain, **options}


# conv1 -> conv2 -> conv3; conv4 reads conv1 and is summed with conv3; then ReLU
BLOCK = [_conv(activation="tanh"), _conv(stride=2), _conv(6), _conv(6, 1, stride=2, reads=3), SUM, RELU]


def _spec(layers, **chain):
    return ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": layers, **chain})


def _shapes(layers, input_shape=(2, 6, 6), **chain):
    return shapes_of(_spec(layers, **chain), input_shape, 4)


def _network(layers, **given):
    return build(_shapes(layers, **given), Generator().manual_seed(0)).double()


def _batch():
    x = torch.randn(5, 2, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return Batch(x, torch.tensor([0, 1, 2, 3, 0]), CRITERIA["cross_entropy"])


def test_a_layer_reads_what_it_says():
    """Would catch a shortcut from the layer before, and a ReLU before the sum."""
    network, x = _network([*BLOCK, GLOBAL]), _batch().inputs
    s = network.segments
    first = s["conv1"](x)
    joined = (s["conv3"](s["conv2"](first)) + s["conv4"](first)).relu()
    torch.testing.assert_close(network(x), s["readout"](joined.mean((2, 3))), rtol=0, atol=0)
    assert network.shapes.sources == ((-1,), (0,), (1,), (0,), (3, 2), (4,), (5,), (6,))
    assert network.shapes.upstream["conv4"] == {"conv1"}
    assert network.shapes.topology == "residual"


def test_a_joint_reads_what_it_says_and_may_read_the_data():
    """Would catch `reads` of segments alone, and what reads the data taken for what depends on a segment."""
    subsampled = {"kind": "subsample", "channels": 6, "stride": 2, "reads": 2}
    network, x = _network([_conv(6, stride=2), subsampled, SUM]), _batch().inputs
    shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, 4))
    expected = network.segments["readout"]((network.segments["conv1"](x) + shortcut).flatten(1))
    torch.testing.assert_close(network(x), expected, rtol=0, atol=0)
    assert not network.shapes.segments[-1].reads_input
    assert network.credit_senders == ("readout",)


def test_gradients_in_a_block_with_a_projection_are_autograds():
    """Would catch a sum overwritten while something else still needs it."""
    network, batch = _network([*BLOCK, _conv(6), {"kind": "sum", "of": [1, 2]}, RELU, GLOBAL]), _batch()
    rule = Backprop()
    rule.attach(network, Generator())
    rule.assign_credit(batch)
    s = network.segments
    first = s["conv1"](batch.inputs)
    joined = (s["conv3"](s["conv2"](first)) + s["conv4"](first)).relu()
    logits = s["readout"]((s["conv5"](joined) + joined).relu().mean((2, 3)))
    expected = torch.autograd.grad(F.cross_entropy(logits, batch.targets), list(network.parameters()))
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-10, atol=1e-14)


def _activations(network):
    return [node for _, node in network.steps() if isinstance(node, Activate)]


def test_a_nonlinearity_overwrites_a_sum_that_only_it_reads():
    """A third tensor of the image's size a block would be kept otherwise; what others read too must stay."""
    alone = _network([*BLOCK, GLOBAL])
    shared = _network([*BLOCK, _conv(6), {"kind": "sum", "of": [1, 3]}, RELU, GLOBAL])
    of_a_conv = _network([_conv(), RELU, GLOBAL])
    assert [node.in_place for node in _activations(alone)] == [True]
    assert [node.in_place for node in _activations(shared)] == [False, True]
    assert [node.in_place for node in _activations(of_a_conv)] == [False]
    x, s = _batch().inputs, shared.segments
    first = s["conv1"](x)
    summed = s["conv3"](s["conv2"](first)) + s["conv4"](first)
    expected = s["readout"]((s["conv5"](summed.relu()) + summed).relu().mean((2, 3)))
    torch.testing.assert_close(shared(x), expected, rtol=0, atol=0)


def test_the_tape_is_cut_and_keeps_what_came_in_and_went_out():
    """Would catch an output that a nonlinearity after it has overwritten: local gradients are formed from it."""
    network, batch = _network([_conv(activation="tanh"), RELU, _conv(), SUM, RELU, GLOBAL]), _batch()
    tape = record_forward(network, batch)
    first = network.segments["conv1"](batch.inputs)
    torch.testing.assert_close(tape.outputs["conv1"], first, rtol=0, atol=0)
    torch.testing.assert_close(tape.inputs["conv2"], first.relu(), rtol=0, atol=0)
    assert not any(values.requires_grad for values in tape.inputs.values())


def test_a_forward_pass_forgets_what_nobody_reads_any_more():
    """Would catch every layer's output held to the end, which in evaluation is most of a deep network's memory."""
    network, x = _network([*BLOCK, GLOBAL]), _batch().inputs
    alive: list[weakref.ref[torch.Tensor]] = []
    held = []

    def visit(_name, node, *received):
        output = node(*received)
        gc.collect()
        # By identity: what is overwritten in place is one tensor of two nodes.
        held.append(len({id(ref()) for ref in alive if ref() is not None}))
        alive.append(weakref.ref(output))
        return output

    with torch.no_grad():
        network.walk(x, visit)
    # While each node works: what it reads, and what a later one still will.
    assert held == [0, 1, 2, 2, 2, 1, 1, 1]


def test_global_average_pooling_is_the_mean_and_gives_a_vector():
    network, x = _network([_conv(), GLOBAL, {"kind": "dense", "units": 3}]), _batch().inputs
    assert [node.output_shape for node in network.shapes.nodes] == [(4, 6, 6), (4,), (3,), (4,)]
    pooled = network.nodes["global_average_pool_1"](x)
    torch.testing.assert_close(pooled, F.adaptive_avg_pool2d(x, 1).flatten(1))


def test_shortcuts_in_a_vectorized_network_are_backprop_too():
    """Oracle: autograd through the same modules. Would catch credit propagated to the layer before the one read."""
    gated = {"activation": "vector_gate"}
    layers = [
        _conv(**gated),
        _conv(stride=2, **gated),
        _conv(6, **gated),
        _conv(6, 1, stride=2, reads=3, **gated),
        SUM,
        GLOBAL,
    ]
    network, batch = _network(layers, form="vectorized"), _batch()
    rule = Backprop()
    rule.attach(network, Generator())
    rule.assign_credit(batch)
    own = {name: p.grad.clone() for name, p in network.named_parameters()}
    network.zero_grad()
    batch.criterion(network(batch.inputs), batch.targets).backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(own[name], parameter.grad, rtol=1e-9, atol=1e-13, msg=name)
    network.zero_grad()
    gevb = GlobalErrorVectorBroadcasting()
    gevb.attach(network, Generator())
    gevb.assign_credit(batch)
    assert all(bool(p.grad.any()) for p in network.parameters())


@pytest.mark.parametrize(
    ("layers", "chain", "message"),
    [
        ([_conv(), _conv(reads=2), GLOBAL], {}, "layer 1, conv2d: nothing reads it; make it a term of a sum"),
        ([_conv(), _conv(reads=3)], {}, "layer 2: reads 3 layers back, .* input; that is 2 back"),
        ([{"kind": "max_pool", "size": 2, "reads": 2}], {}, "layer 1: reads 2 layers back"),
        ([_conv(), {"kind": "activation", "activation": "vector_gate"}], {}, "layer 2, activation: vector_gate is for"),
        ([_conv(), {"kind": "subsample", "channels": 3}], {}, "layer 2, subsample .* 4 input channels"),
        ([{"kind": "dense", "units": 3}, GLOBAL], {}, "layer 2, global_average_pool: needs an image"),
        ([_conv(activation="vector_gate"), RELU], {"form": "vectorized"}, "layer 2, activation: treats components"),
    ],
)
def test_impossible_connections_are_refused_with_their_place(layers, chain, message):
    """Would catch a layer that no path connects to the output, which would silently never learn."""
    with pytest.raises(ShapeError, match=message):
        _shapes(layers, **chain)


def test_what_is_not_said_is_not_written():
    """Would catch new names for the runs of every spec there is."""
    spec = _spec([_conv(), {"kind": "max_pool", "size": 2}, {"kind": "dropout", "probability": 0.1}])
    assert not any("reads" in layer for layer in spec.model_dump(mode="json")["layers"])
    assert _spec([_conv(), _conv(reads=2), SUM]).model_dump(mode="json")["layers"][1]["reads"] == 2


def test_fixed_layers_keep_their_place_among_the_nodes():
    kinds = [node.layer.kind for node in _shapes([*BLOCK, GLOBAL]).nodes if isinstance(node, FixedLayerShapes)]
    assert kinds == ["sum", "activation", "global_average_pool"]
