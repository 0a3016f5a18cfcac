"""Invertible networks drawn at random, with their NumPy counterparts and batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Generator, Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.network import Network
from benchsuite.specs.models.architecture import ChainArchitecture

from .gait_reference import SquareLayer

CLASSES = 3


@dataclass(frozen=True)
class SquareCase:
    """A spec with the shape of its data."""

    layers: tuple[dict[str, Any], ...]
    input_shape: tuple[int, ...]
    slope: float = 0.4
    readout: str | dict[str, Any] = "identity"
    scheme: str = "orthogonal"
    seed: int = 0

    def network(self, dtype: torch.dtype = torch.float64) -> Network:
        spec = {
            "kind": "chain",
            "name": "drawn",
            "form": "invertible",
            "layers": self.layers,
            "readout": {"activation": self.readout},
            "defaults": {
                "activation": {"kind": "leaky_relu", "slope": self.slope},
                "initialization": {"scheme": self.scheme},
            },
        }
        plan = shapes_of(ChainArchitecture.model_validate(spec), self.input_shape, CLASSES)
        generator = Generator().manual_seed(self.seed)
        network = build(plan, generator).to(dtype)
        with torch.no_grad():
            for linear_map in network.maps.values():
                assert linear_map.bias is not None
                linear_map.bias.copy_(0.3 * torch.randn(linear_map.bias.shape, generator=generator))
        return network

    def batch(self, criterion: str = "cross_entropy", size: int = 5, dtype: torch.dtype = torch.float64) -> Batch:
        generator = Generator().manual_seed(self.seed + 1)
        inputs = torch.randn(size, *self.input_shape, generator=generator, dtype=torch.float64).to(dtype)
        return Batch(inputs, torch.randint(CLASSES, (size,), generator=generator), CRITERIA[criterion])

    def counterpart(self, network: Network) -> list[SquareLayer]:
        layers = []
        asked = [*self.layers, {"kind": "dense", "units": CLASSES}]
        for layer, (name, linear_map) in zip(asked, network.maps.items(), strict=True):
            slope = self.slope
            if name == "readout" and self.readout == "identity":
                slope = 1.0
            where = {k: layer.get(k, default) for k, default in (("kernel", None), ("stride", 1), ("padding", 0))}
            weights = linear_map.weight.detach().flatten(1).t().numpy()
            passes = layer.get("units", layer.get("channels"))
            layers.append(SquareLayer(weights, linear_map.bias.detach().numpy(), slope, passes, **where))
        return layers


@st.composite
def square_cases(draw: st.DrawFn, scheme: str = "lecun_normal", min_hidden_segments: int = 0) -> SquareCase:
    """Dense towers, or one or two convolutions with overlaps, gaps and padding before them."""
    slope = draw(st.sampled_from([0.3, 0.5, 0.8]))
    readout = draw(st.sampled_from(["identity", {"kind": "leaky_relu", "slope": slope}]))
    layers: list[dict[str, Any]] = []
    if draw(st.booleans()):
        channels, size = draw(st.integers(1, 2)), draw(st.integers(3, 5))
        input_shape: tuple[int, ...] = (channels, size, size)
        for _ in range(draw(st.integers(1, 2))):
            kernel = draw(st.integers(1, 3))
            padding = draw(st.integers(0, kernel - 1))
            stride = draw(st.integers(1, 3))
            if (size + 2 * padding - kernel) // stride < 1:
                break
            size = (size + 2 * padding - kernel) // stride + 1
            channels = draw(st.integers(1, min(3, channels * kernel**2)))
            layers.append(
                {
                    "kind": "conv2d",
                    "channels": channels,
                    "kernel": kernel,
                    "stride": stride,
                    "padding": padding,
                }
            )
        width = channels * size**2
        if width < CLASSES:
            layers, input_shape, width = [], (6,), 6
    else:
        width = draw(st.integers(4, 9))
        input_shape = (width,)
    for _ in range(draw(st.integers(min_hidden_segments, 3))):
        width = draw(st.integers(CLASSES, width))
        layers.append({"kind": "dense", "units": width})
    return SquareCase(tuple(layers), input_shape, slope, readout, scheme, draw(st.integers(0, 2**20)))


def gradients_left(rule: Rule, network: Network, batch: Batch) -> dict[str, tuple[Tensor, Tensor]]:
    """Return (weight's gradient, bias's gradient) by segment after one ``assign_credit``."""
    rule.attach(network, Generator().manual_seed(9))
    network.zero_grad(set_to_none=True)
    rule.assign_credit(batch)
    found = {}
    for name, linear_map in network.maps.items():
        assert linear_map.bias is not None
        assert linear_map.weight.grad is not None
        assert linear_map.bias.grad is not None
        found[name] = (linear_map.weight.grad.clone(), linear_map.bias.grad.clone())
    return found
