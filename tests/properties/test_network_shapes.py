"""Oracle: arithmetic on shapes, positions counted one by one, and the network that is built.

The shapes are the network on paper: memory, cost and compatibility are worked out from them alone.
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from benchsuite.errors import ShapeError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.specs.models.architecture import ChainArchitecture, Conv2dLayer, DenseLayer, LocallyConnected2dLayer
from benchsuite.specs.models.fixed_layers import PoolLayer

from .chains import conv_chains, dense_chains, deterministic, local_chains, slid


def _shapes(layers, input_shape=(1, 8, 8), classes=10, **chain):
    spec = {"kind": "chain", "name": "drawn", "layers": layers, **chain}
    return shapes_of(ChainArchitecture.model_validate(spec), input_shape, classes)


def _require_equal_shapes(case):
    plan = shapes_of(case.architecture, case.input_shape, case.classes)
    network = build(plan, Generator().manual_seed(0)).double().eval()
    assert plan.parameters == sum(p.numel() for p in network.parameters())
    for segment in plan.segments:
        assert segment.parameters == sum(p.numel() for p in network.segments[segment.name].parameters())
    values = case.data().inputs.double()
    for (_, node), sketched in zip(network.steps(), plan.nodes, strict=True):
        assert tuple(values.shape[1:]) == sketched.input_shape
        values = node(values)
        assert tuple(values.shape[1:]) == sketched.output_shape
    assert tuple(values.shape[1:]) == (case.classes,)
    with torch.no_grad(), network.observed() as outputs:
        network(case.data().inputs.double())
    assert {s.name: s.units for s in plan.segments} == {n: y[0].numel() for n, y in outputs.items()}


@deterministic
@given(case=dense_chains(norms=True))
def test_shapes_of_a_dense_chain_is_the_network_that_is_built(case):
    """Would catch a parameter count without biases or norms."""
    _require_equal_shapes(case)


@deterministic
@given(case=conv_chains())
def test_shapes_of_a_conv_chain_is_the_network_that_is_built(case):
    """Would catch a shape formula that forgets dilation, padding or a stride that does not divide."""
    _require_equal_shapes(case)


@deterministic
@given(case=local_chains())
def test_shapes_of_a_locally_connected_chain_is_the_network_that_is_built(case):
    """Would catch biases counted per channel where each position has its own."""
    _require_equal_shapes(case)


def _work_by_hand(case):
    shape = case.input_shape
    for layer in [*case.architecture.layers, DenseLayer(kind="dense", units=case.classes)]:
        if isinstance(layer, DenseLayer):
            yield math.prod(shape) * layer.units
            shape = (layer.units,)
        elif isinstance(layer, Conv2dLayer):
            sizes = [slid(n, layer.kernel, layer.stride, layer.padding, layer.dilation) for n in shape[1:]]
            # Each output number sums over one group's channels and the kernel's area.
            yield layer.channels * math.prod(sizes) * (shape[0] // layer.groups) * layer.kernel**2
            shape = (layer.channels, *sizes)
        elif isinstance(layer, LocallyConnected2dLayer):
            sizes = [slid(n, layer.kernel, layer.stride, layer.padding) for n in shape[1:]]
            yield layer.channels * math.prod(sizes) * shape[0] * layer.kernel**2
            shape = (layer.channels, *sizes)
        elif isinstance(layer, PoolLayer):
            shape = (shape[0], *(slid(n, layer.size, layer.stride or layer.size, layer.padding) for n in shape[1:]))


@deterministic
@given(case=st.one_of(conv_chains(), local_chains()))
def test_multiply_adds_count_the_products_of_every_sum(case):
    """Would catch costs that ignore groups or stride, on which budgets and cost columns rest."""
    plan = shapes_of(case.architecture, case.input_shape, case.classes)
    assert [s.macs for s in plan.segments] == list(_work_by_hand(case))


def test_multiply_adds_of_known_layers():
    """Would catch the formula and its check above sharing a mistake: numbers worked out by hand."""
    plan = _shapes(
        [
            {"kind": "conv2d", "channels": 6, "kernel": 5, "padding": 2},
            {"kind": "max_pool", "size": 2},
            {"kind": "conv2d", "channels": 16, "kernel": 5},
            {"kind": "max_pool", "size": 2},
            {"kind": "dense", "units": 120},
            {"kind": "dense", "units": 84},
        ],
        input_shape=(1, 28, 28),
    )
    assert [s.macs for s in plan.segments] == [117_600, 240_000, 48_000, 10_080, 840]
    assert [s.parameters for s in plan.segments] == [156, 2_416, 48_120, 10_164, 850]
    assert plan.parameters == 61_706  # LeNet-5 as everyone counts it
    assert [s.output_shape for s in plan.segments] == [(6, 28, 28), (16, 10, 10), (120,), (84,), (10,)]


def test_weights_of_the_published_locally_connected_networks():
    """Would catch shared weights counted: the GEVB paper's Table 4 networks, counts worked out from its layers."""

    def local(channels, kernel, stride, padding):
        own = {"channels": channels, "kernel": kernel, "stride": stride, "padding": padding}
        return {"kind": "locally_connected2d", **own}

    pool = {"kind": "average_pool", "size": 2}
    mnist = [local(32, 3, 1, 1), pool, local(32, 3, 1, 1), pool, {"kind": "dense", "units": 1024}]
    dense = {"kind": "dense", "units": 512}
    cifar = [local(64, 5, 1, 2), pool, local(32, 5, 1, 2), pool, local(32, 2, 2, 0), dense]
    bias = {"defaults": {"bias": False}}
    assert _shapes(mnist, (1, 28, 28), **bias).parameters == 3_648_000
    assert _shapes(cifar, (3, 32, 32), **bias).parameters == 18_355_200


def test_norm_adds_two_parameters_a_channel_and_bias_one():
    """Would catch a norm counted per position or forgotten."""
    conv = {"kind": "conv2d", "channels": 4, "kernel": 3}
    counts = {
        (norm, bias): _shapes([{**conv, "norm": norm, "bias": bias}]).segments[0].parameters
        for norm in ("none", "batch")
        for bias in (True, False)
    }
    assert counts == {("none", False): 36, ("none", True): 40, ("batch", False): 44, ("batch", True): 48}


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"kind": "conv2d", "channels": 2, "kernel": 5, "stride": 4}], r"conv 5x5 stride 4 leaves 0x0 of 3x3"),
        ([{"kind": "conv2d", "channels": 2, "kernel": 3, "dilation": 2}], r"conv 3x3 stride 1 leaves 0x0 of 3x3"),
        ([{"kind": "max_pool", "size": 4}], r"max_pool 4x4 stride 4 leaves 0x0 of 3x3"),
        ([{"kind": "average_pool", "size": 4, "stride": 1}], r"average_pool 4x4 stride 1 leaves 0x0 of 3x3"),
        ([{"kind": "max_pool", "size": 2, "padding": 2}], r"padding 2 is more than half"),
        ([{"kind": "conv2d", "channels": 4, "kernel": 1, "groups": 3}], r"3 groups do not divide 2 input channels"),
        ([{"kind": "conv2d", "channels": 5, "kernel": 1, "groups": 2}], r"2 groups do not divide .* and 5 channels"),
    ],
)
def test_impossible_layers_are_refused_with_their_sizes(layers, message):
    """Would catch a wrong spec that only fails as torch's traceback after the data has been loaded."""
    with pytest.raises(ShapeError, match=message):
        _shapes(layers, input_shape=(2, 3, 3))


def test_a_refused_layer_is_named_by_its_place_in_the_spec():
    """Would catch a count that includes the flattens that the builder puts in."""
    layers = [{"kind": "conv2d", "channels": 2, "kernel": 3}, {"kind": "max_pool", "size": 2}]
    with pytest.raises(ShapeError, match="layer 2, max_pool"):
        _shapes(layers, input_shape=(2, 3, 3))


@pytest.mark.parametrize("layer", [{"kind": "conv2d", "channels": 2, "kernel": 1}, {"kind": "max_pool", "size": 1}])
def test_image_layers_after_a_dense_one_are_refused(layer):
    """Would catch a vector silently taken for an image."""
    with pytest.raises(ShapeError, match=r"needs an image .* \(12,\)"):
        _shapes([{"kind": "dense", "units": 12}, layer])


def test_defaults_fill_what_a_layer_leaves_open_and_yield_to_what_it_says():
    """Would catch a layer's own False or zero taken for 'not said'."""
    plan = _shapes(
        [{"kind": "dense", "units": 3}, {"kind": "dense", "units": 4, "bias": True, "activation": "relu"}],
        defaults={"bias": False, "activation": "tanh", "norm": "batch", "norm_order": "activation_first"},
    )
    first, second, readout = plan.segments
    assert (first.bias, first.activation, first.norm, first.norm_order) == (False, "tanh", "batch", "activation_first")
    assert (second.bias, second.activation) == (True, "relu")
    assert (readout.bias, readout.activation, readout.norm) == (False, "identity", "none")


def test_readouts_own_choices_win():
    """Would catch a readout that follows the chain's defaults only."""
    plan = _shapes([], readout={"bias": False, "initialization": {"scheme": "zeros"}})
    assert not plan.segments[-1].bias
    assert plan.segments[-1].initialization.scheme == "zeros"
    assert plan.parameters == 640
