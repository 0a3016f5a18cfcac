"""Layers of an invertible network: make each map square and refuse layers without an inverse."""

from __future__ import annotations

import math

from benchsuite.errors import ShapeError
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.specs.models.architecture import ChainArchitecture, Conv2dLayer, DenseLayer, LayerSpec
from benchsuite.specs.models.fixed_layers import FlattenLayer
from benchsuite.specs.models.protocol import ProtocolSpec

SquareLayer = DenseLayer | Conv2dLayer


def require_mixed_weights(architecture: ChainArchitecture) -> None:
    """Check the settings of an invertible network that concern the network as a whole.

    Raises:
        ShapeError: if weights are to be nonnegative: such matrices have no reliable inverse.

    """
    if architecture.weight_sign != "mixed":
        raise ShapeError(
            f"weight_sign: {architecture.weight_sign} is not for form: invertible, whose matrices start orthogonal "
            "and are to stay near it; use weight_sign: mixed"
        )


def require_invertible_layer(layer: LayerSpec, position: int) -> None:
    """Check that a layer's kind is allowed in an invertible network.

    Raises:
        ShapeError: if the layer loses information, so that it has no inverse.

    """
    if not isinstance(layer, DenseLayer | Conv2dLayer | FlattenLayer):
        raise ShapeError(
            f"layer {position}, {layer.kind}: has no inverse; an invertible network has dense, conv2d and flatten only "
            "(a stride makes an image smaller)"
        )


def require_square_layer(layer: SquareLayer, shape: Shape, position: int, is_readout: bool) -> tuple[SquareLayer, int]:
    """Return the layer with as many outputs as its matrix has columns, and how many of them the next layer reads.

    Args:
        layer: the layer of the spec.
        shape: input shape of one example; flat if the layer is dense.
        position: position of the layer in the spec, from 1.
        is_readout: whether the outputs passed on are the logits.

    Raises:
        ShapeError: if the layer has groups, or passes on more outputs than there are.

    """
    described = f"layer {position}, {layer.kind}"
    if isinstance(layer, Conv2dLayer):
        if layer.groups > 1:
            raise ShapeError(f"{described}: {layer.groups} groups have no square matrix; use groups: 1")
        if len(shape) != 3:
            return layer, layer.channels  # not an image: conv_shape raises the error
        full = shape[0] * layer.kernel**2
        wanted, noun, sum_of = layer.channels, "channels", f"{shape[0]} x {layer.kernel} x {layer.kernel}"
    else:
        full = math.prod(shape)
        wanted, noun, sum_of = layer.units, "classes" if is_readout else "units", "its inputs"
    if wanted > full:
        remedy = "give the layer before more outputs" if is_readout else f"use at most {full}"
        raise ShapeError(f"{described}: {wanted} {noun}, but a square map has only {full} outputs ({sum_of}); {remedy}")
    field = "units" if isinstance(layer, DenseLayer) else "channels"
    return layer.model_copy(update={field: full}), wanted


def require_invertible_segment(described: str, chosen: dict[str, object]) -> None:
    """Check that a segment's norm, nonlinearity and initial weights allow an inverse.

    Raises:
        ShapeError: if not. The message says what to use instead.

    """
    if chosen["norm"] != "none":
        raise ShapeError(f"{described}: norm {chosen['norm']} ties an example to its batch; use norm: none")
    activation = chosen["activation"]
    name = activation if isinstance(activation, str) else getattr(activation, "kind", "")
    if name not in {"leaky_relu", "identity"}:
        raise ShapeError(
            f"{described}: activation {name} has no inverse for every target; use leaky_relu (or identity)"
        )
    how = chosen["initialization"]
    if getattr(how, "scheme", "") == "zeros":
        raise ShapeError(f"{described}: weights of zero have no inverse; use initialization.scheme: orthogonal")
    if getattr(how, "on_off", "none") != "none":
        raise ShapeError(f"{described}: ON/OFF pairs make the matrix singular; use initialization.on_off: none")


def require_square_maps(protocol: ProtocolSpec, shapes: NetworkShapes, network: str = "this one") -> None:
    """Check that a network has square matrices if the protocol has an orthogonality regulariser.

    Args:
        protocol: the run's protocol.
        shapes: the shapes of a network trained with it.
        network: name of the network in the message.

    Raises:
        ShapeError: if the network is not invertible, since its maps then have no square matrices.

    """
    if protocol.orthogonality is not None and shapes.form != "invertible":
        raise ShapeError(
            f"protocol.orthogonality needs a network of form invertible, {network} is {shapes.form}; leave it out"
        )
