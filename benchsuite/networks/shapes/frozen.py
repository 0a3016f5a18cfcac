"""The segments that a protocol keeps at their initial weights."""

from __future__ import annotations

from benchsuite.errors import ShapeError
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.specs.models.protocol import ProtocolSpec


def frozen_segments(protocol: ProtocolSpec, shapes: NetworkShapes) -> tuple[str, ...]:
    """Return the names of the segments whose weights the protocol keeps, in forward order; empty if there are none.

    ``lower_half`` is of the hidden segments, those before the readout; of an odd number, the middle one learns.

    Raises:
        ShapeError: if the network has fewer than two hidden segments, so that there is no lower half to keep.

    """
    if protocol.frozen == "none":
        return ()
    hidden = tuple(segment.name for segment in shapes.segments[:-1])
    count = len(hidden)
    if count < 2:
        raise ShapeError(
            f"protocol.frozen: lower_half needs at least 2 hidden segments, this network has {count}; leave it out"
        )
    return hidden[: count // 2]
