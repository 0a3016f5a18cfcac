"""The network on paper: shapes, parameters and work of every layer, worked out before torch is needed.

The builder builds from an outline, ``plan`` estimates from it, and a rule's needs are checked against it, so all three
see the same network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from benchsuite.errors import ShapeError
from benchsuite.spec.architecture import (
    Activation,
    ChainArchitecture,
    Conv2dLayer,
    DenseLayer,
    DropoutLayer,
    FlattenLayer,
    Initialization,
    LayerSpec,
    LocallyConnected2dLayer,
    NormOrder,
    PoolLayer,
    SegmentDefaults,
    SegmentOptions,
)

Shape = tuple[int, ...]


@dataclass(frozen=True)
class SegmentOutline:
    """One segment: a linear map with its norm and nonlinearity."""

    name: str
    map_kind: str
    input_shape: Shape
    output_shape: Shape
    """Of one example, where credit is placed."""
    map_options: dict[str, int]
    """Constructor arguments of the map beside its bias."""
    bias: bool
    norm: str
    norm_order: NormOrder
    activation: Activation
    initialization: Initialization
    parameters: int
    multiply_adds: int
    """Of the map's forward operation, for one example."""

    @property
    def units(self) -> int:
        """Numbers in one example's output."""
        return math.prod(self.output_shape)


@dataclass(frozen=True)
class JointOutline:
    """What lies between segments and learns nothing."""

    layer: PoolLayer | DropoutLayer | FlattenLayer
    input_shape: Shape
    output_shape: Shape


@dataclass(frozen=True)
class ArchitectureOutline:
    """A whole network: nodes in forward order, the readout last."""

    input_shape: Shape
    classes: int
    nodes: tuple[SegmentOutline | JointOutline, ...]
    form: str = "ordinary"
    topology: str = "chain"
    segments: tuple[SegmentOutline, ...] = field(init=False)

    def __post_init__(self) -> None:
        segments = tuple(n for n in self.nodes if isinstance(n, SegmentOutline))
        object.__setattr__(self, "segments", segments)

    @property
    def parameters(self) -> int:
        """Learnable numbers in all."""
        return sum(s.parameters for s in self.segments)


def outline(architecture: ChainArchitecture, input_shape: Shape, classes: int) -> ArchitectureOutline:
    """Work out every layer's shape for examples of ``input_shape`` and add the readout.

    Raises:
        ShapeError: if a layer leaves nothing or cannot follow the one before; names the layer and the shapes.

    """
    nodes: list[SegmentOutline | JointOutline] = []
    shape = input_shape
    count = 0
    for position, layer in enumerate(architecture.layers, start=1):
        if isinstance(layer, DenseLayer) and len(shape) > 1:
            nodes.append(_joint(FlattenLayer(kind="flatten"), shape, (math.prod(shape),)))
            shape = nodes[-1].output_shape
        if isinstance(layer, DenseLayer | Conv2dLayer | LocallyConnected2dLayer):
            count += 1
            nodes.append(_segment(f"{_SHORT[layer.kind]}{count}", layer, architecture.defaults, shape, position))
        else:
            nodes.append(_joint(layer, shape, _joint_shape(layer, shape, position)))
        shape = nodes[-1].output_shape
    if len(shape) > 1:
        nodes.append(_joint(FlattenLayer(kind="flatten"), shape, (math.prod(shape),)))
        shape = nodes[-1].output_shape
    readout = DenseLayer(
        kind="dense", units=classes, activation="identity", norm="none",
        bias=architecture.readout.bias, initialization=architecture.readout.initialization,
    )  # fmt: skip
    nodes.append(_segment("readout", readout, architecture.defaults, shape, len(architecture.layers) + 1))
    return ArchitectureOutline(input_shape, classes, tuple(nodes))


_SHORT = {"dense": "dense", "conv2d": "conv", "locally_connected2d": "local"}


def _segment(
    name: str,
    layer: DenseLayer | Conv2dLayer | LocallyConnected2dLayer,
    defaults: SegmentDefaults,
    shape: Shape,
    position: int,
) -> SegmentOutline:
    own = {k: getattr(layer, k) for k in SegmentOptions.model_fields}
    chosen = {k: getattr(defaults, k) if v is None else v for k, v in own.items()}
    if isinstance(layer, DenseLayer):
        output_shape: Shape = (layer.units,)
        options = {"inputs": shape[0], "units": layer.units}
        weights = multiply_adds = shape[0] * layer.units
        biases = layer.units
    elif isinstance(layer, LocallyConnected2dLayer):
        described = f"locally connected {layer.kernel}x{layer.kernel} stride {layer.stride}"
        output_shape = (layer.channels, *_window_shape(described, layer, shape, position))
        options = {
            "input_channels": shape[0], "height": shape[1], "width": shape[2], "channels": layer.channels,
            "kernel": layer.kernel, "stride": layer.stride, "padding": layer.padding, "replicated": layer.replicated,
        }  # fmt: skip
        biases = math.prod(output_shape)
        weights = multiply_adds = biases * shape[0] * layer.kernel**2
    else:
        output_shape = _conv_shape(layer, shape, position)
        options = {
            "input_channels": shape[0], "channels": layer.channels, "kernel": layer.kernel, "stride": layer.stride,
            "padding": layer.padding, "dilation": layer.dilation, "groups": layer.groups,
        }  # fmt: skip
        weights = layer.channels * (shape[0] // layer.groups) * layer.kernel**2
        multiply_adds = weights * output_shape[1] * output_shape[2]
        biases = layer.channels
    parameters = weights + biases * bool(chosen["bias"]) + 2 * output_shape[0] * (chosen["norm"] == "batch")
    return SegmentOutline(
        name=name, map_kind=layer.kind, input_shape=shape, output_shape=output_shape, map_options=options,
        parameters=parameters, multiply_adds=multiply_adds, **chosen,
    )  # fmt: skip


def _joint(layer: PoolLayer | DropoutLayer | FlattenLayer, before: Shape, after: Shape) -> JointOutline:
    return JointOutline(layer, before, after)


def _joint_shape(layer: LayerSpec, shape: Shape, position: int) -> Shape:
    if isinstance(layer, DropoutLayer):
        return shape
    if isinstance(layer, FlattenLayer):
        return (math.prod(shape),)
    assert isinstance(layer, PoolLayer)  # noqa: S101 - the segments were handled by the caller
    described = f"{layer.kind} {layer.size}x{layer.size} stride {layer.stride or layer.size}"
    _require_image(described, shape, position)
    if 2 * layer.padding > layer.size:
        raise ShapeError(f"layer {position}, {described}: padding {layer.padding} is more than half the pool's size")
    sizes = tuple(_slide(n, layer.size, layer.stride or layer.size, layer.padding, 1) for n in shape[1:])
    _require_something(described, sizes, shape, position)
    return (shape[0], *sizes)


def _conv_shape(layer: Conv2dLayer, shape: Shape, position: int) -> Shape:
    described = f"conv {layer.kernel}x{layer.kernel} stride {layer.stride}"
    _require_image(described, shape, position)
    if shape[0] % layer.groups or layer.channels % layer.groups:
        raise ShapeError(
            f"layer {position}, {described}: {layer.groups} groups do not divide {shape[0]} input channels "
            f"and {layer.channels} channels"
        )
    sizes = tuple(_slide(n, layer.kernel, layer.stride, layer.padding, layer.dilation) for n in shape[1:])
    _require_something(described, sizes, shape, position)
    return (layer.channels, *sizes)


def _window_shape(described: str, layer: LocallyConnected2dLayer, shape: Shape, position: int) -> Shape:
    _require_image(described, shape, position)
    sizes = tuple(_slide(n, layer.kernel, layer.stride, layer.padding, 1) for n in shape[1:])
    _require_something(described, sizes, shape, position)
    return sizes


def _slide(length: int, window: int, stride: int, padding: int, dilation: int) -> int:
    return max(0, (length + 2 * padding - dilation * (window - 1) - 1) // stride + 1)


def _require_image(described: str, shape: Shape, position: int) -> None:
    if len(shape) != 3:
        raise ShapeError(
            f"layer {position}, {described}: needs an image (channels, height, width), but what comes in has shape "
            f"{shape}; put it before the first dense layer"
        )


def _require_something(described: str, sizes: Shape, shape: Shape, position: int) -> None:
    if min(sizes) < 1:
        raise ShapeError(
            f"layer {position}, {described} leaves {sizes[0]}x{sizes[1]} of {shape[1]}x{shape[2]}; "
            "use a smaller kernel or stride, padding, or fewer such layers"
        )
