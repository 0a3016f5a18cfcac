"""Outlines of a run's networks (its own and its pretraining's), with checks that need no tensors."""

from __future__ import annotations

from collections.abc import Mapping

from benchsuite.networks.architecture_shapes import ArchitectureBuilder, require_pretrainable, shapes_of
from benchsuite.networks.shapes.frozen import frozen_segments, learning_segments
from benchsuite.networks.shapes.geometry import Shape
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.networks.shapes.square import require_square_maps
from benchsuite.specs.models.track import RunSpec


def shapes_of_run(
    spec: RunSpec, input_shape: Shape, classes: int, builders: Mapping[str, ArchitectureBuilder] | None = None
) -> NetworkShapes:
    """Return the shapes of the run's network; the pretraining's network is checked too.

    Raises:
        ShapeError: if layers do not fit together, a regulariser finds no square matrices in one of the networks, there
            is no lower half to keep frozen, a stage names a segment that is not there, or a segment to keep from
            pretraining is missing in the run's network.
        PluginError: if no plugin provides a network's builder.

    """
    where = input_shape, spec.protocol.outputs(classes), builders
    shapes = shapes_of(spec.architecture, *where)
    require_square_maps(spec.protocol, shapes)
    frozen_segments(spec.protocol, shapes)
    learning_segments(spec.protocol, shapes)
    first = spec.pretraining
    if first.epochs and first.architecture is not None:
        require_square_maps(spec.protocol, shapes_of(first.architecture, *where), "the pretraining's network")
    require_pretrainable(first, spec.architecture, *where)
    return shapes
