"""The order in which images lie in memory changes no number, and is kept where it saves a transposition."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.maps import LocallyConnected2d
from benchsuite.networks.memory_order import by_position, examples_first, flattened, is_batch_fastest
from benchsuite.networks.pooling import AveragePool, MaxPool, PaddedMaxPool
from benchsuite.networks.segments import Flatten
from benchsuite.specs.models.architecture import ChainArchitecture

POOLS = [MaxPool(2), MaxPool(3, 2, 1), AveragePool(2), AveragePool(3, 1, 1), PaddedMaxPool(3, 2, (1, 1, 0, 2), 0.0)]
LAYERS = [
    {"kind": "locally_connected2d", "channels": 3, "kernel": 3, "padding": 1},
    {"kind": "max_pool", "size": 2},
    {"kind": "locally_connected2d", "channels": 4, "kernel": 2},
    {"kind": "average_pool", "size": 2},
    {"kind": "dense", "units": 6},
]


def batch_fastest(images: Tensor) -> Tensor:
    return images.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)


@pytest.fixture
def images() -> Tensor:
    return torch.randn(5, 3, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_both_orders_read_as_positions_alike_and_one_without_a_copy(images: Tensor) -> None:
    """Would catch an axis that is swapped, or a transposition that the order was to spare."""
    expected = images.permute(2, 3, 1, 0)
    torch.testing.assert_close(by_position(images), expected, rtol=0, atol=0)
    other = batch_fastest(images)
    assert by_position(other).data_ptr() == other.data_ptr()
    assert by_position(images).stride(-1) == 1
    torch.testing.assert_close(by_position(other), expected, rtol=0, atol=0)
    assert examples_first(other).is_contiguous()
    torch.testing.assert_close(examples_first(other), images, rtol=0, atol=0)


@pytest.mark.parametrize("pool", POOLS, ids=str)
@pytest.mark.parametrize("batch", [1, 5])
def test_pooling_has_the_same_outputs_and_gradients_in_both_orders(pool: nn.Module, batch: int, images: Tensor) -> None:
    """Would catch channels of examples that are mixed up on the way to one image or back."""
    images = images[:batch]
    usual, other = images.clone().requires_grad_(), batch_fastest(images).requires_grad_()
    expected, pooled = pool(usual), pool(other)
    torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-15)
    cotangent = torch.randn_like(expected)
    for given in (cotangent, batch_fastest(cotangent)):
        (gradient,) = torch.autograd.grad(pooled, other, given, retain_graph=True)
        torch.testing.assert_close(gradient, torch.autograd.grad(expected, usual, cotangent, retain_graph=True)[0])
    if batch > 1:
        assert is_batch_fastest(pooled)
        assert is_batch_fastest(gradient)


def test_flattening_has_the_same_vectors_and_gradients_in_both_orders(images: Tensor) -> None:
    """Catches vectors whose entries are in the order of memory, and a gradient that is left in the other order."""
    other = batch_fastest(images).requires_grad_()
    vectors = flattened(other)
    assert torch.equal(vectors, images.flatten(1))
    assert vectors.is_contiguous()
    cotangent = torch.randn_like(vectors)
    (gradient,) = torch.autograd.grad(vectors, other, cotangent)
    assert torch.equal(gradient, cotangent.view_as(images))
    assert gradient.stride() == other.stride()
    columns = torch.randn(3, 5).t().requires_grad_()
    torch.autograd.gradcheck(flattened, columns.double())


def test_a_locally_connected_layer_reads_both_orders_and_leaves_the_batch_fastest() -> None:
    """Would catch a slow transposition that came back, and operations that take strides for granted."""
    linear_map = LocallyConnected2d(3, 4, 3, 7, 6, padding=1).double()
    weight = nn.init.normal_(linear_map.weight).detach()
    inputs = torch.randn(5, 3, 7, 6, dtype=torch.float64)
    cotangent = torch.randn(5, 4, 7, 6, dtype=torch.float64)
    expected = [
        linear_map.apply_weight(inputs, weight),
        linear_map.pull_back(cotangent, weight, inputs.shape),
        linear_map.weight_gradient(inputs, cotangent),
    ]
    assert is_batch_fastest(expected[0])
    assert is_batch_fastest(expected[1])
    inputs, cotangent = batch_fastest(inputs), batch_fastest(cotangent)
    found = [
        linear_map.apply_weight(inputs, weight),
        linear_map.pull_back(cotangent, weight, inputs.shape),
        linear_map.weight_gradient(inputs, cotangent),
    ]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_a_network_keeps_the_batch_fastest_from_one_locally_connected_layer_to_the_next() -> None:
    """Would catch a joint that copies activations back to the usual order, which no number would show."""
    spec = ChainArchitecture.model_validate({"kind": "chain", "name": "local", "layers": LAYERS})
    network = build(shapes_of(spec, (1, 12, 10), 10), torch.Generator().manual_seed(0))
    seen: dict[str, list[bool]] = {}
    for name, node in network.steps():

        def look(_node: nn.Module, _inputs: object, output: Tensor, name: str = name) -> None:
            fastest = seen.setdefault(name, [is_batch_fastest(output)])
            output.register_hook(lambda gradient: fastest.append(is_batch_fastest(gradient)))

        if not isinstance(node, Flatten) and name != "readout":
            node.register_forward_hook(look)
    network(torch.randn(8, 1, 12, 10)).sum().backward()
    before_flattening = list(seen.items())[:4]
    assert before_flattening == [(name, [True, True]) for name, _ in before_flattening]
