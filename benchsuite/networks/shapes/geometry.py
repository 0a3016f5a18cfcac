"""Output shapes and padding of layers, with errors for layers whose output would be empty."""

from __future__ import annotations

import math

from benchsuite.errors import ShapeError
from benchsuite.specs.models.architecture import Conv2dLayer, LayerSpec, LocallyConnected2dLayer
from benchsuite.specs.models.fixed_layers import (
    ActivationLayer,
    DropoutLayer,
    FlattenLayer,
    GlobalPoolLayer,
    PoolLayer,
    SubsampleLayer,
)
from benchsuite.specs.models.norm import GroupNormSpec, Norm

Shape = tuple[int, ...]


def fixed_layer_shape(layer: LayerSpec, shape: Shape, position: int) -> Shape:
    """Return the output shape, for one example, of a layer between segments other than a sum.

    Raises:
        ShapeError: if the output is empty or the input is not an image. The message names the layer and the shapes.

    """
    if isinstance(layer, ActivationLayer):
        if layer.activation == "vector_gate":
            raise ShapeError(f"layer {position}, activation: vector_gate is for segments of form: vectorized")
        return shape
    if isinstance(layer, DropoutLayer):
        return shape
    if isinstance(layer, FlattenLayer):
        return (math.prod(shape),)
    if isinstance(layer, GlobalPoolLayer):
        _require_image(layer.kind, shape, position)
        return (shape[0],)
    if isinstance(layer, SubsampleLayer):
        return _subsampled(layer, shape, position)
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


def _subsampled(layer: SubsampleLayer, shape: Shape, position: int) -> Shape:
    described = f"subsample to {layer.channels} channels, stride {layer.stride}"
    _require_image(described, shape, position)
    if layer.channels < shape[0]:
        raise ShapeError(
            f"layer {position}, {described}: {shape[0]} input channels; it can add channels, not remove them"
        )
    return (layer.channels, *(math.ceil(n / layer.stride) for n in shape[1:]))


def conv_shape(layer: Conv2dLayer, shape: Shape, position: int) -> Shape:
    """Return the output shape of a convolution for one example.

    Raises:
        ShapeError: as ``fixed_layer_shape``, or if its groups do not divide the channels.

    """
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


def locally_connected_shape(layer: LocallyConnected2dLayer, shape: Shape, position: int) -> Shape:
    """Return the output shape of a locally connected layer for one example.

    Raises:
        ShapeError: as ``fixed_layer_shape``.

    """
    described = f"locally connected {layer.kernel}x{layer.kernel} stride {layer.stride}"
    _require_image(described, shape, position)
    sizes = tuple(_slide(n, layer.kernel, layer.stride, _around(layer), 1) for n in shape[1:])
    _require_something(described, sizes, shape, position)
    return (layer.channels, *sizes)


def padding_of(layer: Conv2dLayer | LocallyConnected2dLayer) -> dict[str, int]:
    """Return the map's padding arguments: zeros per side and, if the total is odd, one more at bottom and right."""
    if layer.padding != "same":
        return {"padding": layer.padding}
    around = (layer.dilation if isinstance(layer, Conv2dLayer) else 1) * (layer.kernel - 1)
    return {"padding": around // 2, **({"extra_padding": 1} if around % 2 else {})}


def _around(layer: Conv2dLayer | LocallyConnected2dLayer) -> int:
    chosen = padding_of(layer)
    return 2 * chosen["padding"] + chosen.get("extra_padding", 0)


def _slide(length: int, window: int, stride: int, around: int, dilation: int) -> int:
    return max(0, (length + around - dilation * (window - 1) - 1) // stride + 1)


def _require_image(described: str, shape: Shape, position: int) -> None:
    if len(shape) != 3:
        raise ShapeError(
            f"layer {position}, {described}: needs an image (channels, height, width), but its input has shape "
            f"{shape}; put it before the first dense layer"
        )


def _require_something(described: str, sizes: Shape, shape: Shape, position: int) -> None:
    if min(sizes) < 1:
        raise ShapeError(
            f"layer {position}, {described} leaves {sizes[0]}x{sizes[1]} of {shape[1]}x{shape[2]}; "
            "use a smaller kernel or stride, padding, or fewer such layers"
        )


def norm_parameters(norm: Norm, channels: int, position: int) -> int:
    """Return the number of a norm's parameters: a scale and a shift per channel.

    Raises:
        ShapeError: if the channels cannot be divided into its groups. The message names the layer.

    """
    if isinstance(norm, GroupNormSpec) and channels % norm.groups:
        raise ShapeError(f"layer {position}, norm of {norm.groups} groups: they do not divide {channels} channels")
    return 0 if norm == "none" else 2 * channels
