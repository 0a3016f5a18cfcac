"""Build a network with initial weights from an architecture spec."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from torch import Generator, nn

from benchsuite.networks.adoption import adopt, made_module
from benchsuite.networks.initialization import initialize
from benchsuite.networks.maps import Conv2d, Dense, LinearMap, LocallyConnected2d
from benchsuite.networks.maps.vectorized import VECTOR_MAPS, VectorMap
from benchsuite.networks.network import Network
from benchsuite.networks.plugin_builder import ArchitectureBuilder as ArchitectureBuilder
from benchsuite.networks.pooling import AveragePool, MaxPool, PaddedMaxPool
from benchsuite.networks.segments import (
    Activate,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Leading,
    Segment,
    Subsample,
    Sum,
)
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.networks.shapes.network_shapes import (
    CustomLayer,
    FixedLayerShapes,
    NetworkShapes,
    SegmentShapes,
    TakeFirst,
)
from benchsuite.networks.vector_segment import OverComponents, VectorSegment, draw_gating_vectors
from benchsuite.specs.models.fixed_layers import (
    ActivationLayer,
    DropoutLayer,
    FlattenLayer,
    GlobalPoolLayer,
    PoolLayer,
    SubsampleLayer,
    SumLayer,
)

MAP_KINDS: dict[str, Callable[..., LinearMap]] = {
    linear_map.kind: linear_map for linear_map in (Dense, Conv2d, LocallyConnected2d)
}


def build(plan: NetworkShapes, generator: Generator) -> Network:
    """Build the network of the shapes, drawing weights segment by segment in forward order.

    Args:
        plan: from ``shapes_of``.
        generator: the random stream for initial weights. It is on the CPU, so weights are the same on every device.

    """
    if plan.make_module is not None:
        module = made_module(plan.make_module, generator)
        return adopt(module, plan.input_shape, classes=plan.classes, unconverted=plan.unconverted)
    nodes: list[tuple[str, nn.Module]] = []
    for position, node in enumerate(plan.nodes):
        if not isinstance(node, SegmentShapes):
            nodes.append((f"{node.layer.kind}_{position}", _build_fixed_layer(node, _may_overwrite(plan, position))))
        elif plan.form == "vectorized":
            nodes.append((node.name, _build_vector_segment(node, plan.components, generator)))
        else:
            nodes.append((node.name, _build_segment(node, generator)))
    return Network(plan, nodes)


def _may_overwrite(plan: NetworkShapes, position: int) -> bool:
    """Return whether a joint may overwrite its input: it is a sum that no other node reads, so no gradient needs it."""
    (source, *others) = plan.sources[position]
    before = plan.nodes[source] if source >= 0 else None
    is_sum = isinstance(before, FixedLayerShapes) and isinstance(before.layer, SumLayer)
    return is_sum and not others and sum(sources.count(source) for sources in plan.sources) == 1


def _build_segment(node: SegmentShapes, generator: Generator) -> Segment:
    if node.make_map is not None:
        linear_map = node.make_map()
    else:
        linear_map = MAP_KINDS[node.map_kind](**node.map_options, bias=node.bias)
    initialize(linear_map, node.initialization, generator, node.reads_input, node.input_channels)
    return Segment(linear_map, node.activation, _build_norm(node), node.norm_order)


def _build_norm(node: SegmentShapes) -> nn.Module | None:
    channels, norm = node.output_shape[0], node.norm
    if not isinstance(norm, str):
        return nn.GroupNorm(norm.groups, channels)
    if norm == "layer":
        return nn.GroupNorm(1, channels)
    if norm == "batch":
        of_images = len(node.output_shape) == 3
        return nn.BatchNorm2d(channels) if of_images else nn.BatchNorm1d(channels)
    return None


def _build_vector_segment(node: SegmentShapes, components: int, generator: Generator) -> VectorSegment:
    of_the_data, shared = VECTOR_MAPS[node.map_kind]
    make: Callable[..., VectorMap] = of_the_data if node.reads_input else shared
    linear_map = make(**node.map_options, bias=node.bias)
    initialize(linear_map, node.initialization, generator, node.reads_input, node.input_channels)
    gated = node.activation == "vector_gate"
    gating = draw_gating_vectors(node.output_shape[0], components, generator) if gated else None
    return VectorSegment(linear_map, gating)


def _build_fixed_layer(node: FixedLayerShapes, may_overwrite: bool) -> nn.Module:
    if node.reads_vectors and not isinstance(node.layer, SumLayer):
        return OverComponents(_build_fixed_layer(replace(node, reads_vectors=False), may_overwrite))
    layer = node.layer
    if isinstance(layer, ActivationLayer):
        return Activate(layer.activation, may_overwrite)
    if isinstance(layer, GlobalPoolLayer):
        return GlobalAveragePool()
    if isinstance(layer, SubsampleLayer):
        return Subsample(layer.stride, layer.channels - node.input_shape[0])
    if isinstance(layer, DropoutLayer):
        return Dropout(layer.probability)
    if isinstance(layer, FlattenLayer):
        return Flatten()
    if isinstance(layer, SumLayer):
        return Sum()
    if isinstance(layer, TakeFirst):
        return Leading(layer.outputs)
    if isinstance(layer, CustomLayer):
        return layer.make()
    return _build_pool(layer, node.input_shape)


def _build_pool(layer: PoolLayer, input_shape: Shape) -> nn.Module:
    stride = layer.stride or layer.size
    if layer.kind == "zero_padded_max_pool":
        # Enough for a window that begins on the last row; the pooling ignores rows that no window reaches.
        return PaddedMaxPool(layer.size, stride, (0, layer.size - 1, 0, layer.size - 1), fill=0.0)
    if layer.padding == "same":
        (top, bottom), (left, right) = (_same(n, layer.size, stride) for n in input_shape[1:])
        return PaddedMaxPool(layer.size, stride, (left, right, top, bottom), fill=-math.inf)
    if layer.kind == "max_pool":
        return MaxPool(layer.size, stride, layer.padding)
    return AveragePool(layer.size, stride, layer.padding)


def _same(length: int, size: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding before and after an axis."""
    around = max((math.ceil(length / stride) - 1) * stride + size - length, 0)
    return around // 2, around - around // 2
