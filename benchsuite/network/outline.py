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
    SumLayer,
)

Shape = tuple[int, ...]
JointLayer = PoolLayer | DropoutLayer | FlattenLayer | SumLayer
DATA = -1
"""In a node's sources: what comes from the data and from no node."""


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

    layer: JointLayer
    input_shape: Shape
    """Of one of its inputs; all terms of a sum have the same."""
    output_shape: Shape


@dataclass(frozen=True)
class ArchitectureOutline:
    """A whole network: nodes in forward order, the readout last."""

    input_shape: Shape
    classes: int
    nodes: tuple[SegmentOutline | JointOutline, ...]
    form: str = "ordinary"
    topology: str = "chain"
    sources: tuple[tuple[int, ...], ...] = ()
    """For each node the positions of the nodes it reads, or ``DATA``. If not given, each reads the one before."""
    segments: tuple[SegmentOutline, ...] = field(init=False)

    def __post_init__(self) -> None:
        segments = tuple(n for n in self.nodes if isinstance(n, SegmentOutline))
        object.__setattr__(self, "segments", segments)
        if not self.sources:
            # DATA is the position before the first.
            object.__setattr__(self, "sources", tuple((position - 1,) for position in range(len(self.nodes))))

    @property
    def parameters(self) -> int:
        """Learnable numbers in all."""
        return sum(s.parameters for s in self.segments)

    @property
    def upstream(self) -> dict[str, frozenset[str]]:
        """For each segment, the segments its input depends on, over any number of steps: where its credit goes."""
        reached: list[frozenset[str]] = []
        found: dict[str, frozenset[str]] = {}
        for node, sources in zip(self.nodes, self.sources, strict=True):
            above = frozenset[str]().union(*(reached[source] for source in sources if source != DATA))
            if isinstance(node, SegmentOutline):
                found[node.name] = above
                above |= {node.name}
            reached.append(above)
        return found


def outline(architecture: ChainArchitecture, input_shape: Shape, classes: int) -> ArchitectureOutline:
    """Work out every layer's shape for examples of ``input_shape`` and add the readout.

    Raises:
        ShapeError: if a layer leaves nothing or cannot follow the one before; names the layer and the shapes.

    """
    draft = _Draft(architecture.defaults, input_shape)
    for position, layer in enumerate(architecture.layers, start=1):
        draft.add(layer, position)
    readout = DenseLayer(
        kind="dense", units=classes, activation="identity", norm="none",
        bias=architecture.readout.bias, initialization=architecture.readout.initialization,
    )  # fmt: skip
    draft.add(readout, len(architecture.layers) + 1, name="readout")
    is_residual = any(isinstance(layer, SumLayer) for layer in architecture.layers)
    return ArchitectureOutline(
        input_shape, classes, tuple(draft.nodes), topology="residual" if is_residual else "chain",
        sources=tuple(draft.sources),
    )  # fmt: skip


class _Draft:
    """An outline being written, node by node."""

    def __init__(self, defaults: SegmentDefaults, input_shape: Shape) -> None:
        self.defaults = defaults
        self.nodes: list[SegmentOutline | JointOutline] = []
        self.sources: list[tuple[int, ...]] = []
        self.written = [(DATA, input_shape)]
        """The data, then for each layer of the spec its node and its shape; what is put in between is not in here."""
        self.segments = 0

    def add(self, layer: LayerSpec, position: int, name: str | None = None) -> None:
        """Add a layer, with a flatten before it where one is needed."""
        source, shape = self.written[-1]
        if isinstance(layer, SumLayer):
            self._append(_joint(layer, shape, shape), self._terms(layer, position))
        elif isinstance(layer, DenseLayer | Conv2dLayer | LocallyConnected2dLayer):
            if isinstance(layer, DenseLayer) and len(shape) > 1:
                flat = (math.prod(shape),)
                self._append(_joint(FlattenLayer(kind="flatten"), shape, flat), (source,))
                source, shape = len(self.nodes) - 1, flat
            self.segments += 1
            name = name or f"{_SHORT[layer.kind]}{self.segments}"
            self._append(_segment(name, layer, self.defaults, shape, position), (source,))
        else:
            self._append(_joint(layer, shape, _joint_shape(layer, shape, position)), (source,))
        self.written.append((len(self.nodes) - 1, self.nodes[-1].output_shape))

    def _append(self, node: SegmentOutline | JointOutline, sources: tuple[int, ...]) -> None:
        self.nodes.append(node)
        self.sources.append(sources)

    def _terms(self, layer: SumLayer, position: int) -> tuple[int, ...]:
        if max(layer.of) > len(self.written):
            raise ShapeError(
                f"layer {position}, sum of {_back(layer)}: {max(layer.of)} layers back is before the network's input, "
                f"which is {len(self.written)} back"
            )
        terms = [self.written[-back] for back in layer.of]
        shapes = [shape for _, shape in terms]
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"layer {position}, sum of {_back(layer)}: the terms have shapes {', '.join(map(str, shapes))}; "
                "a sum needs equal ones"
            )
        return tuple(node for node, _ in terms)


def _back(layer: SumLayer) -> str:
    return f"the layers {', '.join(map(str, layer.of))} back"


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
            "kernel": layer.kernel, "stride": layer.stride, **_padding(layer), "replicated": layer.replicated,
        }  # fmt: skip
        biases = math.prod(output_shape)
        weights = multiply_adds = biases * shape[0] * layer.kernel**2
    else:
        output_shape = _conv_shape(layer, shape, position)
        options = {
            "input_channels": shape[0], "channels": layer.channels, "kernel": layer.kernel, "stride": layer.stride,
            **_padding(layer), "dilation": layer.dilation, "groups": layer.groups,
        }  # fmt: skip
        weights = layer.channels * (shape[0] // layer.groups) * layer.kernel**2
        multiply_adds = weights * output_shape[1] * output_shape[2]
        biases = layer.channels
    parameters = weights + biases * bool(chosen["bias"]) + 2 * output_shape[0] * (chosen["norm"] == "batch")
    return SegmentOutline(
        name=name, map_kind=layer.kind, input_shape=shape, output_shape=output_shape, map_options=options,
        parameters=parameters, multiply_adds=multiply_adds, **chosen,
    )  # fmt: skip


def _joint(layer: JointLayer, before: Shape, after: Shape) -> JointOutline:
    return JointOutline(layer, before, after)


def _joint_shape(layer: LayerSpec, shape: Shape, position: int) -> Shape:
    if isinstance(layer, DropoutLayer):
        return shape
    if isinstance(layer, FlattenLayer):
        return (math.prod(shape),)
    assert isinstance(layer, PoolLayer)  # noqa: S101 - the segments were handled by the caller
    described = f"{layer.kind} {layer.size}x{layer.size} stride {layer.stride or layer.size}"
    _require_image(described, shape, position)
    stride = layer.stride or layer.size
    if layer.kind == "zero_padded_max_pool" or layer.padding == "same":
        return (shape[0], *(math.ceil(n / stride) for n in shape[1:]))
    if 2 * layer.padding > layer.size:
        raise ShapeError(f"layer {position}, {described}: padding {layer.padding} is more than half the pool's size")
    sizes = tuple(_slide(n, layer.size, stride, 2 * layer.padding, 1) for n in shape[1:])
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
    sizes = tuple(_slide(n, layer.kernel, layer.stride, _around(layer), layer.dilation) for n in shape[1:])
    _require_something(described, sizes, shape, position)
    return (layer.channels, *sizes)


def _window_shape(described: str, layer: LocallyConnected2dLayer, shape: Shape, position: int) -> Shape:
    _require_image(described, shape, position)
    sizes = tuple(_slide(n, layer.kernel, layer.stride, _around(layer), 1) for n in shape[1:])
    _require_something(described, sizes, shape, position)
    return sizes


def _padding(layer: Conv2dLayer | LocallyConnected2dLayer) -> dict[str, int]:
    """Return the map's arguments: zeros on every side, and where it is odd the one more at the bottom and right."""
    if layer.padding != "same":
        return {"padding": layer.padding}
    around = (layer.dilation if isinstance(layer, Conv2dLayer) else 1) * (layer.kernel - 1)
    return {"padding": around // 2, **({"extra_padding": 1} if around % 2 else {})}


def _around(layer: Conv2dLayer | LocallyConnected2dLayer) -> int:
    chosen = _padding(layer)
    return 2 * chosen["padding"] + chosen.get("extra_padding", 0)


def _slide(length: int, window: int, stride: int, around: int, dilation: int) -> int:
    return max(0, (length + around - dilation * (window - 1) - 1) // stride + 1)


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
