"""The segments that a protocol keeps at their initial weights, in all epochs or in a stage."""

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


def learning_segments(protocol: ProtocolSpec, shapes: NetworkShapes) -> tuple[tuple[str, ...], ...]:
    """Return the names of the segments that learn, for each stage of a protocol; empty if it has no stages.

    Raises:
        ShapeError: if a stage names segments that the network does not have, or all that it names are kept frozen.

    """
    names = [segment.name for segment in shapes.segments]
    kept = frozen_segments(protocol, shapes)
    found = []
    for number, stage in enumerate(protocol.stages):
        if unused := stage.unused(names):
            fits = " or ".join(map(repr, unused))
            raise ShapeError(f"protocol.stages.{number}.learns: no segment fits {fits}; there are {', '.join(names)}")
        learning = tuple(name for name in names if stage.trains(name) and name not in kept)
        if not learning:
            raise ShapeError(f"protocol.stages.{number}.learns: all of it is kept by protocol.frozen; leave one out")
        found.append(learning)
    return tuple(found)
