"""Requirements on segments and layers of vectorized networks and of networks of ON/OFF pairs."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite.errors import ShapeError
from benchsuite.networks.shapes.custom import CustomChain
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.specs.models.architecture import (
    ChainArchitecture,
    Conv2dLayer,
    DenseLayer,
    LayerSpec,
    LocallyConnected2dLayer,
)
from benchsuite.specs.models.fixed_layers import FlattenLayer, GlobalPoolLayer, PoolLayer, SubsampleLayer

SegmentLayer = DenseLayer | Conv2dLayer | LocallyConnected2dLayer


@dataclass(frozen=True)
class LayerOutput:
    """The output of a layer of the spec: its node, its shape and its channels."""

    node: int
    shape: Shape
    channels: int
    learned: bool
    """True if it depends on a segment, not only on the network's input."""


def require_a_vector_form(layer: LayerSpec, position: int) -> None:
    """Raise ShapeError for a layer between segments that treats components of a vector unit differently."""
    linear = isinstance(layer, FlattenLayer | GlobalPoolLayer | SubsampleLayer)
    if linear or (isinstance(layer, PoolLayer) and layer.kind == "average_pool"):
        return
    raise ShapeError(
        f"layer {position}, {layer.kind}: treats components of a vector unit differently, so that credit would not be "
        "one number per unit; a vectorized network has average_pool, flatten and sum between its segments"
    )


def require_a_vector_segment(
    layer: SegmentLayer, name: str, chosen: dict[str, object], before: LayerOutput, position: int
) -> None:
    """Raise ShapeError for a segment that has no form for vector units."""
    described = f"layer {position}, {layer.kind}"
    if chosen["norm"] != "none":
        raise ShapeError(f"{described}: norm {chosen['norm']} has no form for vector units; use norm: none")
    if name == "readout":
        return
    if chosen["activation"] not in {"vector_gate", "identity"}:
        raise ShapeError(
            f"{described}: activation {chosen['activation']} is not for vector units; use vector_gate (or identity)"
        )
    channels = layer.units if isinstance(layer, DenseLayer) else layer.channels
    if chosen["activation"] == "vector_gate" and channels % 2:
        raise ShapeError(f"{described}: {channels} channels; gating vectors come in pairs, so use an even number")
    if not before.learned and isinstance(layer, Conv2dLayer) and layer.groups > 1:
        raise ShapeError(f"{described}: groups in a segment that reads the data have no vectorized form; use groups: 1")


def require_pairs(
    layer: SegmentLayer,
    name: str,
    chosen: dict[str, object],
    before: LayerOutput,
    position: int,
    architecture: ChainArchitecture | CustomChain,
) -> None:
    """Raise ShapeError if ON/OFF pairs are asked for, or needed, and the numbers of units do not allow them."""
    how = chosen["initialization"]
    on_off = getattr(how, "on_off", "none")
    if on_off == "none":
        if architecture.weight_sign == "nonnegative" and before.learned and getattr(how, "scheme", "") != "zeros":
            raise ShapeError(
                f"layer {position}, {layer.kind}: weight_sign: nonnegative needs nonnegative weights to start from; "
                "set initialization.on_off to channels (or scheme: zeros)"
            )
        return
    outputs = layer.units if isinstance(layer, DenseLayer) else layer.channels
    inputs = before.shape[0] if on_off == "adjacent" else before.channels
    for side, number in (("outputs", outputs), ("inputs", inputs if before.learned else 2)):
        alone = name == "readout" and side == "outputs" and number == 1 and before.learned  # an ON cell
        if number % 2 and not alone:
            raise ShapeError(f"layer {position}, {layer.kind}: {number} {side}; ON/OFF pairs need an even number")
    if isinstance(layer, Conv2dLayer) and layer.groups > 1:
        raise ShapeError(f"layer {position}, {layer.kind}: ON/OFF pairs have no form for groups; use groups: 1")
