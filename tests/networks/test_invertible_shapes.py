"""Oracles: sizes worked out by hand from the published towers, and what has no inverse."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import Generator

from benchsuite.errors import ShapeError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.shapes.network_shapes import FixedLayerShapes
from benchsuite.specs.models.architecture import ChainArchitecture

LEAKY = {"kind": "leaky_relu", "slope": 0.1}


def _dense(units, **options):
    return {"kind": "dense", "units": units, **options}


def _conv(channels, kernel, **options):
    return {"kind": "conv2d", "channels": channels, "kernel": kernel, **options}


def _plan(layers, input_shape=(2, 8, 8), classes=10, **chain):
    defaults = {"activation": LEAKY, "initialization": {"scheme": "orthogonal"}, **chain.pop("defaults", {})}
    spec = {"kind": "chain", "name": "asked", "form": "invertible", "layers": layers, "defaults": defaults, **chain}
    return shapes_of(ChainArchitecture.model_validate(spec), input_shape, classes)


def test_weights_start_orthogonal_unless_asked_otherwise():
    """Would catch an author's network in which GAIT-prop is not backprop from the first step, and nobody says why."""
    spec = {"kind": "chain", "name": "asked", "form": "invertible", "layers": [_dense(12, activation=LEAKY)]}
    chain = ChainArchitecture.model_validate(spec)
    network = build(shapes_of(chain, (12,), 10), Generator().manual_seed(0))
    for linear_map in network.maps.values():
        torch.testing.assert_close(linear_map.weight @ linear_map.weight.t(), torch.eye(12))
    for asked in ({"bias": False}, {"initialization": {"scheme": "he_normal"}}):
        own = ChainArchitecture.model_validate({**spec, "defaults": asked}).defaults
        assert own.initialization.scheme == asked.get("initialization", {"scheme": "orthogonal"})["scheme"]
        assert own.bias == asked.get("bias", True)
    ordinary = ChainArchitecture.model_validate({**spec, "form": "ordinary"})
    assert ordinary.defaults.initialization.scheme == "torch_default"


# --- sizes ------------------------------------------------------------------------------------------------------------


def test_the_published_tower_has_its_squares():
    """784, 500, 200 and 10 units, each layer reading the first of the one before (FACTS §4.2)."""
    plan = _plan([_dense(500), _dense(200), _dense(10)], (1, 28, 28))
    assert [s.map_options for s in plan.segments] == [{"inputs": n, "units": n} for n in (784, 500, 200, 10)]
    assert plan.parameters == sum(n * n + n for n in (784, 500, 200, 10))


def test_the_imagenet_chain_has_its_channels():
    """3·9², 24·3², 24·5², 48·3², 48·3², 96·3², 96·3²: 243, 216, 600, 432, 432, 864, 864 (FACTS §4.2)."""
    kernels = [(9, 24, 4), (3, 24, 2), (5, 48, 1), (3, 48, 2), (3, 96, 1), (3, 96, 2), (3, 192, 1)]
    layers = [_conv(channels, kernel, stride=stride, padding=kernel // 2) for kernel, channels, stride in kernels]
    plan = _plan(layers, (3, 224, 224), classes=1000)
    assert [s.output_shape[0] for s in plan.segments[:-1]] == [243, 216, 600, 432, 432, 864, 864]
    assert [n.output_shape[0] for n in plan.nodes if isinstance(n, FixedLayerShapes) and n.layer.kind == "pass_on"] == [
        24,
        24,
        48,
        48,
        96,
        96,
        192,
    ]


def test_what_is_built_is_what_was_planned():
    plan = _plan([_conv(5, 3, stride=2, padding=1), _conv(4, 2), _dense(20), _dense(12)])
    network = build(plan, Generator().manual_seed(0))
    assert sum(p.numel() for p in network.parameters()) == plan.parameters
    with network.observed() as outputs:
        logits = network(torch.randn(3, 2, 8, 8))
    assert logits.shape == (3, 10)
    assert {n: tuple(o.shape[1:]) for n, o in outputs.items()} == {s.name: s.output_shape for s in plan.segments}
    assert torch.equal(logits, outputs["readout"][:, :10])


def test_a_layer_reads_the_first_outputs_and_no_others():
    """Would catch auxiliary units taken from the front: order is what the inverse puts them back by."""
    plan = _plan([_conv(3, 2)], (1, 4, 4))
    network = build(plan, Generator().manual_seed(0))
    with network.observed() as outputs:
        network(torch.randn(2, 1, 4, 4))
    readout = network.segments["readout"]
    assert torch.equal(readout(outputs["conv1"][:, :3].flatten(1)), outputs["readout"])


def test_a_layer_that_passes_on_everything_has_nothing_behind_it():
    assert [type(n).__name__ for n in _plan([_dense(12)], (12,)).nodes] == ["SegmentShapes"] * 2


def test_orthogonal_kernels_are_orthogonal_as_squares():
    network = build(_plan([_conv(5, 3)]), Generator().manual_seed(0)).double()
    for linear_map in network.maps.values():
        square = linear_map.weight.flatten(1)
        torch.testing.assert_close(square @ square.t(), torch.eye(len(square)).double(), rtol=0, atol=1e-5)


def test_the_readout_may_have_a_nonlinearity():
    network = build(_plan([_dense(12)], (12,), readout={"activation": LEAKY}), Generator().manual_seed(0))
    inputs = torch.randn(4, 12)
    linear = build(_plan([_dense(12)], (12,)), Generator().manual_seed(0))(inputs)
    assert (linear < 0).any()
    torch.testing.assert_close(network(inputs), torch.where(linear > 0, linear, 0.1 * linear))


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "chain", "says"),
    [
        ([_dense(129)], {}, "layer 1, dense: 129 units, but a square map has only 128 outputs .*at most 128"),
        ([_conv(19, 3)], {}, r"layer 1, conv2d: 19 channels, .* 18 outputs \(2 x 3 x 3\).*at most 18"),
        ([_dense(9)], {}, "layer 2, dense: 10 classes, .* 9 outputs .*before more outputs"),
        ([_conv(2, 3, groups=2)], {}, "2 groups"),
        ([{"kind": "max_pool", "size": 2}], {}, "layer 1, max_pool: has no inverse"),
        ([{"kind": "average_pool", "size": 2}], {}, "layer 1, average_pool: has no inverse"),
        ([{"kind": "dropout", "probability": 0.1}], {}, "layer 1, dropout: has no inverse"),
        ([_dense(128), {"kind": "sum"}], {}, "layer 2, sum: has no inverse"),
        ([{**_conv(2, 3), "kind": "locally_connected2d"}], {}, "layer 1, locally_connected2d: has no inverse"),
        ([_dense(20, norm="batch")], {}, "norm batch .*use norm: none"),
        ([_dense(20, activation="relu")], {}, "activation relu .*use leaky_relu"),
        ([_dense(20, activation={"kind": "saturated_linear", "slope": 1})], {}, "activation saturated_linear"),
        ([_dense(20, initialization={"scheme": "zeros"})], {}, "weights of zero"),
        ([_dense(20, initialization={"scheme": "he_normal", "on_off": "channels"})], {}, "ON/OFF pairs make"),
        ([_dense(20)], {"weight_sign": "nonnegative"}, "weight_sign: nonnegative"),
        ([_dense(20)], {"readout": {"activation": "tanh"}}, "layer 2, dense: activation tanh"),
        ([_dense(20), _conv(2, 3)], {}, "needs an image"),
    ],
)
def test_what_has_no_inverse_is_refused_with_its_place(layers, chain, says):
    with pytest.raises(ShapeError, match=says):
        _plan(layers, **chain)


def test_a_nonlinear_readout_is_for_invertible_networks():
    with pytest.raises(ValidationError, match=r"readout\.activation is for form: invertible"):
        _plan([], form="ordinary", readout={"activation": "tanh"})
