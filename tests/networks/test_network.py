"""Oracle: the forward pass done by hand, node after node."""

import pytest
import torch
from torch import Generator

from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.segments import Dropout
from benchsuite.specs.models.architecture import ChainArchitecture

LAYERS = [
    {"kind": "conv2d", "channels": 3, "kernel": 3},
    {"kind": "max_pool", "size": 2},
    {"kind": "dropout", "probability": 0.5},
    {"kind": "dense", "units": 6, "activation": "tanh"},
    {"kind": "dropout", "probability": 0.2},
]


@pytest.fixture
def network():
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": LAYERS})
    return build(shapes_of(spec, (1, 6, 6), 4), Generator().manual_seed(0))


@pytest.fixture
def inputs():
    return torch.randn(5, 1, 6, 6, generator=torch.Generator().manual_seed(1))


def test_forward_is_its_nodes_one_after_the_other(network, inputs):
    """Would catch a node left out of the walk though its parameters are counted."""
    network.eval()
    values = inputs
    for _, node in network.steps():
        values = node(values)
    assert torch.equal(network(inputs), values)


def test_observed_outputs_are_those_of_the_segments_before_pool_and_dropout(network, inputs):
    """Would catch diagnostics that compare credit at another place than where it is put."""
    network.eval()
    with network.observed() as outputs:
        logits = network(inputs)
    assert list(outputs) == ["conv1", "dense2", "readout"]
    assert outputs["conv1"].shape == (5, 3, 4, 4)
    assert torch.equal(outputs["conv1"], network.segments["conv1"](inputs))
    assert torch.equal(outputs["readout"], logits)


def test_observing_keeps_gradients_and_ends_with_the_block(network, inputs):
    """Would catch hooks that stay behind and keep every batch's activations alive."""
    with network.observed() as outputs:
        network(inputs).sum().backward()
    assert outputs["conv1"].grad_fn is not None
    assert network.maps["conv1"].weight.grad is not None
    kept = dict(outputs)
    network(inputs)
    assert all(outputs[name] is kept[name] for name in kept)


def test_observing_ends_even_with_an_exception(network, inputs):
    """Would catch hooks left behind by a step that failed."""
    with pytest.raises(RuntimeError, match="stop"), network.observed() as outputs:
        raise RuntimeError("stop")
    network(inputs)
    assert not outputs


def test_every_dropout_gets_the_one_stream(network):
    """Would catch a dropout left on the global stream."""
    generator = Generator().manual_seed(4)
    network.set_dropout_generator(generator)
    dropouts = [node for _, node in network.steps() if isinstance(node, Dropout)]
    assert len(dropouts) == 2
    assert all(dropout.generator is generator for dropout in dropouts)


def test_state_survives_a_round_trip(network, inputs):
    """Would catch a part of the network outside its state: a resumed run would not be the same run."""
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": LAYERS})
    other = build(shapes_of(spec, (1, 6, 6), 4), Generator().manual_seed(99))
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.eval()(inputs), network.eval()(inputs))


def test_maps_and_segments_name_the_very_modules_that_run(network):
    """Would catch a copy: a rule would write gradients to weights that nobody uses."""
    by_identity = {id(parameter) for parameter in network.parameters()}
    named = {id(p) for segment in network.segments.values() for p in segment.parameters()}
    assert named == by_identity
    assert all(network.maps[name] is segment.map for name, segment in network.segments.items())


def test_wide_networks_run_without_autocast(network, inputs):
    """Would catch autocast on by default: float32 results would be none."""
    assert network.eval()(inputs).dtype == torch.float32
    with network.autocast():
        assert (inputs.flatten(1) @ inputs.flatten(1).t()).dtype == torch.float32
