"""Oracle: TensorFlow's SAME rule, and the URFB code's zero-padded pool, written out in NumPy loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.specs.models.architecture import ChainArchitecture


def _network(*layers, shape, **defaults):
    spec = {"kind": "chain", "name": "asked", "layers": layers, "defaults": {"activation": "identity", **defaults}}
    return build(shapes_of(ChainArchitecture.model_validate(spec), shape, 3), Generator().manual_seed(0)).double()


def _images(height, width, channels=2, seed=0):
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _same(n, window, stride):
    """TensorFlow's documentation: how many before and after."""
    around = max((math.ceil(n / stride) - 1) * stride + window - n, 0)
    return around // 2, around - around // 2


def _pooled(x, size, stride, edges, fill):
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), *edges), constant_values=fill)
    rows, columns = (math.ceil(n / stride) for n in x.shape[2:])
    y = np.zeros((*x.shape[:2], rows, columns))
    for i in range(rows):
        for j in range(columns):
            y[:, :, i, j] = padded[:, :, i * stride : i * stride + size, j * stride : j * stride + size].max((2, 3))
    return y


drawn = {
    "height": st.integers(1, 9),
    "width": st.integers(1, 9),
    "size": st.integers(1, 4),
    "stride": st.integers(1, 4),
}
deterministic = settings(derandomize=True, deadline=None, max_examples=40, database=None)


@deterministic
@given(**drawn)
def test_zero_padded_pool_is_its_windows_one_by_one(height, width, size, stride):
    """Would catch windows centred on the image, a maximum that ignores the zeros, or a last window left out."""
    pool = {"kind": "zero_padded_max_pool", "size": size, "stride": stride}
    network, x = _network(pool, shape=(2, height, width)), _images(height, width) - 1
    expected = _pooled(x, size, stride, [(0, size), (0, size)], 0.0)
    node = network.steps()[0][1]
    np.testing.assert_array_equal(node(x).numpy(), expected)
    assert network.shapes.nodes[0].output_shape == expected.shape[1:]


@deterministic
@given(**drawn)
def test_same_max_pool_is_tensorflows(height, width, size, stride):
    """Would catch zeros winning over negative activations, and the odd row put at the top."""
    pool = {"kind": "max_pool", "size": size, "stride": stride, "padding": "same"}
    network, x = _network(pool, shape=(2, height, width)), _images(height, width) - 1
    expected = _pooled(x, size, stride, [_same(height, size, stride), _same(width, size, stride)], -np.inf)
    node = network.steps()[0][1]
    np.testing.assert_array_equal(node(x).numpy(), expected)
    assert network.shapes.nodes[0].output_shape == expected.shape[1:]


def test_credit_of_a_zero_that_won_goes_nowhere():
    """Would catch credit folded onto the last row where the padding was the maximum."""
    pool = {"kind": "zero_padded_max_pool", "size": 3, "stride": 2}
    node = _network(pool, shape=(1, 2, 2)).steps()[0][1]
    for value, credit in ((-1.0, 0.0), (1.0, 1.0)):
        x = torch.full((1, 1, 2, 2), value, dtype=torch.float64, requires_grad=True)
        node(x).sum().backward()
        assert float(x.grad.sum()) == credit


@pytest.mark.parametrize("kind", ["conv2d", "locally_connected2d"])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_same_convolution_pads_as_tensorflow_does(kind, kernel):
    """Would catch an even kernel shifted by a pixel: TensorFlow pads the odd one at the bottom and right."""
    layer = {"kind": kind, "channels": 3, "kernel": kernel, "padding": "same"}
    network, x = _network(layer, shape=(2, 5, 6), bias=False), _images(5, 6)
    segment, paper = next(iter(network.segments.values())), network.shapes.segments[0]
    edges = [_same(n, kernel, 1) for n in (5, 6)]
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), *edges))
    weight = segment.map.weight.detach().numpy()
    expected = np.zeros((2, 3, 5, 6))
    for i in range(5):
        for j in range(6):
            filters = weight.reshape(3, -1) if kind == "conv2d" else weight[i * 6 + j]
            expected[:, :, i, j] = padded[:, :, i : i + kernel, j : j + kernel].reshape(2, -1) @ filters.T
    np.testing.assert_allclose(segment(x).detach().numpy(), expected, atol=1e-12)
    assert paper.output_shape == (3, 5, 6)
    assert paper.parameters == segment.map.weight.numel()


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"kind": "conv2d", "channels": 2, "kernel": 3, "stride": 2, "padding": "same"}, "needs stride 1, not 2"),
        ({"kind": "average_pool", "size": 2, "padding": "same"}, "is for max_pool, not average_pool"),
        ({"kind": "zero_padded_max_pool", "size": 2, "padding": 1}, "has its own padding"),
        ({"kind": "conv2d", "channels": 2, "kernel": 3, "padding": "sane"}, "Input should be 'same'"),
        ({"kind": "conv2d", "channels": 2, "kernel": 3, "padding": -1}, "greater than or equal to 0"),
    ],
)
def test_paddings_without_a_meaning_are_refused(layer, message):
    """Would catch a padding that is accepted and then ignored."""
    with pytest.raises(ValueError, match=message):
        ChainArchitecture.model_validate({"kind": "chain", "name": "asked", "layers": [layer]})
