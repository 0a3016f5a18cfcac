"""Oracle: the spec itself. What is built must be what was asked for, node by node."""

import pytest
import torch
from torch import Generator, nn

from benchsuite.errors import PluginError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.maps import Conv2d, Dense
from benchsuite.networks.nonlinearity import NONLINEARITIES
from benchsuite.networks.pooling import AveragePool, MaxPool
from benchsuite.networks.segments import Dropout, Flatten, Segment
from benchsuite.specs.models.architecture import ChainArchitecture, PluginArchitecture

LAYERS = [
    {"kind": "conv2d", "channels": 4, "kernel": 3, "stride": 2, "padding": 1, "dilation": 2, "groups": 2},
    {"kind": "max_pool", "size": 3, "stride": 1, "padding": 1},
    {"kind": "dropout", "probability": 0.25},
    {"kind": "average_pool", "size": 2},
    {"kind": "dense", "units": 6, "norm": "batch", "activation": "tanh", "bias": False},
]


def _spec(layers, **chain):
    return ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": layers, **chain})


def _build(layers, input_shape=(2, 12, 12), classes=3, seed=0, **chain):
    return build(shapes_of(_spec(layers, **chain), input_shape, classes), Generator().manual_seed(seed))


def test_nodes_stand_in_the_order_of_the_spec_with_a_flatten_where_the_image_ends():
    """Would catch pooling before the convolution, or a dense map over the last axis of an image."""
    kinds = [type(node) for _, node in _build(LAYERS).steps()]
    assert kinds == [Segment, MaxPool, Dropout, AveragePool, Flatten, Segment, Segment]


def test_options_reach_the_nodes_they_were_written_for():
    """Would catch stride and padding exchanged, or a pool whose stride falls back to its size."""
    nodes = [node for _, node in _build(LAYERS).steps()]
    conv, pool, dropout, mean_pool, _, dense, readout = nodes
    assert isinstance(conv.map, Conv2d)
    assert conv.map.geometry == {"stride": 2, "padding": 1, "dilation": 2, "groups": 2}
    assert conv.map.weight.shape == (4, 1, 3, 3)
    assert (pool.kernel_size, pool.stride, pool.padding) == (3, 1, 1)
    assert dropout.probability == 0.25
    assert (mean_pool.kernel_size, mean_pool.stride) == (2, 2)
    assert isinstance(dense.map, Dense)
    assert dense.map.bias is None
    assert isinstance(dense.norm, nn.BatchNorm1d)
    assert dense.nonlinearity is NONLINEARITIES["tanh"]
    assert readout.nonlinearity is NONLINEARITIES["identity"]
    assert readout.norm is None
    assert readout.map.weight.shape == (3, 6)


def test_segments_are_named_in_forward_order_and_the_readout_is_last():
    """Would catch feedback weights that land on another segment after a save, for which names are all there is."""
    network = _build(LAYERS)
    assert list(network.segments) == ["conv1", "dense2", "readout"]
    assert network.readout == "readout"
    assert network.hidden == ("conv1", "dense2")
    assert network.credit_senders == ("dense2", "readout")
    assert network.classes == 3


def test_a_slope_reaches_the_segment_it_was_written_for_and_no_other():
    """Would catch a slope dropped on the way from the spec, or set for every segment of that nonlinearity."""
    sloped = {"kind": "saturated_linear", "slope": 0.5}
    layers = [{"kind": "dense", "units": 3, "activation": sloped}, {"kind": "dense", "units": 3}]
    network = _build(layers, defaults={"activation": "saturated_linear"})
    values = torch.tensor([-3.0, 1.0, 1.5])
    assert network.segments["dense1"].nonlinearity.apply(values).tolist() == [-1.0, 0.5, 0.75]
    assert network.segments["dense2"].nonlinearity.apply(values).tolist() == [-1.0, 1.0, 1.0]


def test_a_conv_norm_is_per_channel():
    """Would catch a norm over units of an image, of which every position would have its own."""
    network = _build([{"kind": "conv2d", "channels": 5, "kernel": 3, "norm": "batch"}])
    norm = network.segments["conv1"].norm
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_features == 5


def test_no_layers_make_a_readout_alone():
    """Would catch a chain that needs a hidden segment: the linear classifier is a useful floor."""
    network = _build([])
    assert list(network.segments) == ["readout"]
    assert network(torch.zeros(2, 2, 12, 12)).shape == (2, 3)
    assert network.hidden == ()


def test_one_seed_builds_one_network_and_another_seed_another():
    """Would catch weights from the global stream: rules at one seed index would start from different networks."""
    first = _build(LAYERS, seed=1).state_dict()
    torch.rand(5)
    again, other = _build(LAYERS, seed=1).state_dict(), _build(LAYERS, seed=2).state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["nodes.conv1.map.weight"], other["nodes.conv1.map.weight"])


def test_appending_layers_leaves_the_draws_of_those_before_alone():
    """Would catch weights drawn in another order than forward: a deeper network would share none with a shallower."""
    short, long = _build(LAYERS[:4], seed=3).state_dict(), _build(LAYERS, seed=3).state_dict()
    assert torch.equal(short["nodes.conv1.map.weight"], long["nodes.conv1.map.weight"])
    assert torch.equal(short["nodes.conv1.map.bias"], long["nodes.conv1.map.bias"])


def test_repeated_layers_without_names_do_not_overwrite_each_other():
    """Would catch two pools under one name, of which the first would vanish from the network."""
    pool = {"kind": "max_pool", "size": 2}
    network = _build([pool, {"kind": "dropout", "probability": 0.1}, pool, {"kind": "dropout", "probability": 0.2}])
    assert [type(n) for _, n in network.steps()][:4] == [MaxPool, Dropout, MaxPool, Dropout]
    assert len(network.nodes) == 6


def test_a_plugins_builder_is_given_options_shape_and_classes():
    """Would catch a builder that sizes its network for another data set."""
    asked = {}

    def builder(options, input_shape, classes):
        asked.update(options=options, input_shape=input_shape, classes=classes)
        return _spec([{"kind": "dense", "units": options["width"]}])

    plugin = PluginArchitecture(kind="plugin", name="theirs", builder="funnel", options={"width": 9})
    plan = shapes_of(plugin, (4,), 2, {"funnel": builder})
    assert asked == {"options": {"width": 9}, "input_shape": (4,), "classes": 2}
    assert plan.segments[0].units == 9


def test_an_unknown_builder_is_refused_with_the_nearest_name():
    """Would catch a KeyError without the architecture's name."""
    plugin = PluginArchitecture(kind="plugin", name="theirs", builder="funel")
    with pytest.raises(PluginError, match=r"'theirs'.*'funel'.*did you mean 'funnel'"):
        shapes_of(plugin, (4,), 2, {"funnel": lambda *_: _spec([])})
