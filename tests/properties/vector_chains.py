"""Strategies for tests of vectorized networks: networks of every kind, with batches and their NumPy counterparts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Generator

from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.network import Network
from benchsuite.networks.shapes.network_shapes import NetworkShapes, SegmentShapes
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.fixed_layers import PoolLayer, SumLayer

from .chains import as_array, assert_near
from .gevb_reference import (
    Array,
    AveragePool,
    LayerGradient,
    Node,
    SumOf,
    VectorLayer,
    VectorTrace,
    cross_entropy_at,
    image_places,
    run_vector_forward,
)


@dataclass(frozen=True)
class VectorCase:
    """One vectorized network and batch to be drawn."""

    layers: tuple[dict[str, Any], ...]
    input_shape: tuple[int, ...]
    classes: int = 4
    batch: int = 3
    bits: int | None = None
    nonnegative: bool = True
    bias: bool = True
    seed: int = 0

    @property
    def architecture(self) -> ChainArchitecture:
        """The spec."""
        defaults = {"activation": "vector_gate", "bias": self.bias, "initialization": {"scheme": "zeros"}}
        return ChainArchitecture.model_validate(
            {
                "kind": "chain",
                "name": "drawn",
                "form": "vectorized",
                "layers": self.layers,
                "defaults": defaults,
                "weight_sign": "nonnegative" if self.nonnegative else "mixed",
                "output_code": {"kind": "binary", "bits": self.bits} if self.bits else "one_hot",
            }
        )

    @property
    def shapes(self) -> NetworkShapes:
        """The network on paper."""
        return shapes_of(self.architecture, self.input_shape, self.classes)

    def network(self) -> Network:
        """Return the network in float64 with every parameter drawn, biases too."""
        plan = self.shapes
        network = build(plan, Generator().manual_seed(self.seed)).double()
        rng = np.random.default_rng(self.seed)
        with torch.no_grad():
            for segment in plan.segments:
                linear_map = network.maps[segment.name]
                drawn = rng.normal(0, linear_map.fan_in**-0.5, linear_map.weight.shape)
                signed = self.nonnegative and not segment.reads_input
                linear_map.weight.copy_(torch.from_numpy(np.abs(drawn) if signed else drawn))
                if linear_map.bias is not None:
                    linear_map.bias.copy_(torch.from_numpy(rng.normal(0, 0.3, linear_map.bias.shape)))
        return network

    def data(self) -> Batch:
        """Return a batch of normal inputs and random targets."""
        rng = np.random.default_rng((self.seed, 1))
        inputs = torch.from_numpy(rng.normal(0, 1, (self.batch, *self.input_shape)))
        return Batch(inputs, torch.from_numpy(rng.integers(0, self.classes, self.batch)), CRITERIA["cross_entropy"])

    def codes(self) -> Array:
        """Return the classes' codes, shape (classes, K): unit vectors, or their binary digits over and over as ±1."""
        if self.bits is None:
            return np.eye(self.classes)
        digits = max(1, int(np.ceil(np.log2(self.classes))))
        return np.array(
            [[1.0 if c >> (k % digits) & 1 else -1.0 for k in range(self.bits)] for c in range(self.classes)]
        )


def weight_matrix(values: Any, segment: SegmentShapes, components: int) -> Array:
    """Return a weight, or a gradient by one, as the reference has it: (1 or positions, channels, fan_in).

    Channels of groups become zeros in a full matrix; where data are read, the expanded input's columns are the banks of
    the components, one after the other.
    """
    w = as_array(values)
    if segment.map_kind == "dense":
        w = w[None]
    elif segment.map_kind == "conv2d":
        channels, of_a_group, *window = w.shape
        groups = segment.map_options["groups"]
        full = np.zeros((channels, of_a_group * groups, *window))
        for channel in range(channels):
            first = channel // (channels // groups) * of_a_group
            full[channel, first : first + of_a_group] = w[channel]
        w = full.reshape(1, channels, -1)
    if not segment.reads_input:
        return w
    positions, banks, fan_in = w.shape
    by_component = w.reshape(positions, components, banks // components, fan_in)
    return by_component.transpose(0, 2, 1, 3).reshape(positions, banks // components, -1)


def bias_matrix(values: Any, segment: SegmentShapes, components: int) -> Array:
    """Return a bias, or a gradient by one, as the reference has it: (channels, K, 1 or positions); zeros for none."""
    channels = segment.output_shape[0]
    if values is None:
        return np.zeros((channels, components, 1))
    return as_array(values).reshape(components, channels, -1).transpose(1, 0, 2)


def vector_counterpart(case: VectorCase, network: Network, feedback: dict[str, Any] | None = None) -> list[Node]:
    """Return the network's layers for the reference: structure from the spec, numbers from the parameters."""
    plan = case.shapes
    segments = iter(plan.segments)
    nodes: list[Node] = []
    for layer in [*case.architecture.layers, None]:
        if isinstance(layer, PoolLayer):
            nodes.append(AveragePool(layer.size, layer.stride or layer.size, int(layer.padding)))
        elif isinstance(layer, SumLayer):
            nodes.append(SumOf(layer.of))
        else:
            nodes.append(_vector_layer(next(segments), network, plan.components, feedback or {}))
    return nodes


def _vector_layer(segment: SegmentShapes, network: Network, components: int, feedback: dict[str, Any]) -> VectorLayer:
    owner, options = network.segments[segment.name], segment.map_options
    times = components if segment.reads_input else 1
    if segment.map_kind == "dense":
        places = np.arange(options["inputs"] * times)[None]
    else:
        channels, height, width = segment.input_shape
        padding = options["padding"]
        places, _ = image_places(
            channels * times,
            height,
            width,
            options["kernel"],
            options["stride"],
            padding,
            padding + options.get("extra_padding", 0),
            options.get("dilation", 1),
        )
    gating = getattr(owner, "gating_vectors", None)
    back = feedback.get(segment.name)
    return VectorLayer(
        segment.name,
        weight_matrix(owner.map.weight, segment, components),
        bias_matrix(owner.map.bias, segment, components),
        as_array(gating),
        places,
        segment.output_shape,
        segment.reads_input,
        None if back is None else weight_matrix(back, segment, components),
    )


def vector_trace(
    case: VectorCase, network: Network, feedback: dict[str, Any] | None = None
) -> tuple[VectorTrace, Array, float, Array]:
    """Return the reference's forward pass, logits, loss and error at the output vector for the case's batch."""
    batch = case.data()
    nodes = vector_counterpart(case, network, feedback)
    trace = run_vector_forward(nodes, as_array(batch.inputs), case.shapes.components)
    codes = case.codes()
    logits = trace.output @ codes.T
    loss, error = cross_entropy_at(logits, batch.targets.numpy())
    return trace, logits, loss, error @ codes


def assert_vector_gradients(case: VectorCase, network: Network, expected: dict[str, LayerGradient]) -> None:
    """Hold the gradients on all parameters against the reference's."""
    components = case.shapes.components
    for segment in case.shapes.segments:
        linear_map, target = network.maps[segment.name], expected[segment.name]
        assert linear_map.weight.grad is not None, f"{segment.name} got no gradient"
        present = weight_matrix(torch.ones_like(linear_map.weight), segment, components)
        found = weight_matrix(linear_map.weight.grad, segment, components)
        assert_near(found, target.weights * present, what=f"{segment.name}.weight")
        if linear_map.bias is not None:
            found = bias_matrix(linear_map.bias.grad, segment, components)
            assert_near(found, target.bias, what=f"{segment.name}.bias")


# --- strategies -------------------------------------------------------------------------------------------------------


def _positions(length: int, window: int, stride: int, around: int, dilation: int = 1) -> int:
    return (length + around - dilation * (window - 1) - 1) // stride + 1


_even = st.integers(1, 3).map(lambda n: 2 * n)
_activations = st.sampled_from(["vector_gate", "vector_gate", "vector_gate", "identity"])


@st.composite
def vector_dense_cases(draw: st.DrawFn, gated: bool = False, hidden: int = 0, **fixed: Any) -> VectorCase:
    """Draw dense vectorized networks of up to three hidden segments, ``hidden`` at least."""
    units = draw(st.lists(st.integers(1, 8).map(lambda n: 2 * n), min_size=hidden, max_size=3))
    activation = st.just("vector_gate") if gated else _activations
    layers = tuple({"kind": "dense", "units": n, "activation": draw(activation)} for n in units)
    return _with_rest(draw, layers, (draw(st.integers(1, 9)),), **fixed)


@st.composite
def vector_image_cases(draw: st.DrawFn, **fixed: Any) -> VectorCase:
    """Draw convolutions and locally connected segments of any geometry, average pools, sums, then perhaps a dense."""
    shape = (draw(st.integers(1, 2)), draw(st.integers(3, 6)), draw(st.integers(3, 6)))
    start, layers = shape, []
    if draw(st.integers(0, 4)) == 0:
        layers.append({"kind": "average_pool", "size": 2})  # of the data themselves
        shape = (shape[0], shape[1] // 2, shape[2] // 2)
    for position in range(draw(st.integers(1, 2))):
        is_conv = draw(st.booleans())
        same = draw(st.booleans())
        dilation = draw(st.integers(1, 2)) if is_conv and not same else 1
        padding = 0 if same else draw(st.integers(0, 2))
        widest = (min(shape[1:]) + 2 * padding - 1) // dilation + 1
        kernel, stride = draw(st.integers(1, min(3, widest))), 1 if same else draw(st.integers(1, 2))
        channels = draw(_even)
        layer: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": "same" if same else padding}
        if is_conv:
            groups = 2 if position and shape[0] % 2 == 0 and draw(st.booleans()) else 1
            layer |= {"kind": "conv2d", "dilation": dilation, "groups": groups}
        else:
            layer |= {"kind": "locally_connected2d"}
        layers.append({**layer, "channels": channels, "activation": draw(_activations)})
        around = kernel - 1 if same else 2 * padding
        shape = (channels, *(_positions(n, kernel, stride, around, dilation) for n in shape[1:]))
        if draw(st.booleans()):  # a block with a shortcut
            block = {"kernel": draw(st.integers(1, 2)), "channels": channels, "padding": "same"}
            layers += [{"kind": draw(st.sampled_from(["conv2d", "locally_connected2d"])), **block}, {"kind": "sum"}]
        if draw(st.booleans()):
            size = draw(st.integers(1, min(2, *shape[1:])))
            pool = {"size": size, "stride": draw(st.integers(1, 2)), "padding": draw(st.integers(0, size // 2))}
            layers.append({"kind": "average_pool", **pool})
            shape = (channels, *(_positions(n, size, pool["stride"], 2 * pool["padding"]) for n in shape[1:]))
    if draw(st.booleans()):
        layers.append({"kind": "dense", "units": draw(_even)})
    return _with_rest(draw, tuple(layers), start, **fixed)


def _with_rest(draw: st.DrawFn, layers: Any, input_shape: tuple[int, ...], **fixed: Any) -> VectorCase:
    classes = draw(st.integers(2, 5))
    drawn = {
        "classes": classes,
        "batch": draw(st.integers(1, 4)),
        "seed": draw(st.integers(0, 2**31)),
        "bits": draw(st.sampled_from([None, None, 3, 7])),
        "nonnegative": draw(st.booleans()),
        "bias": draw(st.sampled_from([True, True, False])),
    }
    return VectorCase(layers, input_shape, **{**drawn, **fixed})


vector_cases = st.one_of(vector_dense_cases(), vector_image_cases())
"""Vectorized networks of every kind."""
