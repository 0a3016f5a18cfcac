"""Check on paper that no training batch is too small for a network's batch norms."""

from __future__ import annotations

import math

from benchsuite.errors import ShapeError
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.specs.models.track import RunSpec


def require_batches_for_norms(spec: RunSpec, shapes: NetworkShapes, examples: int) -> None:
    """Refuse a run in which a batch norm would get a single value per channel, which has no variance.

    Segments with several positions per channel have enough values in any batch. Norms outside segments, in adopted
    modules, are not known on paper.

    Args:
        spec: the run.
        shapes: shapes of its network.
        examples: number of training examples.

    Raises:
        ShapeError: if so. The message names the first segment and the remedy.

    """
    normed = [s.name for s in shapes.segments if s.norm == "batch" and math.prod(s.output_shape[1:]) == 1]
    protocol, hardware = spec.protocol, spec.hardware
    full = min(protocol.batch_size, examples)
    rest = examples % full if protocol.last_batch == "keep" else 0
    # If norms are not synchronized, each process takes the statistics of its own part; the last ranks get the smallest.
    processes = 1 if hardware.synchronized_batch_norm else hardware.world_size
    if not normed or not any(size // processes == 1 for size in (full, rest)):
        return
    segment = f"{normed[0]}: batch norm has one value per unit and example, so a batch of one has no variance"
    if full // processes == 1:
        raise ShapeError(
            f"{segment}, and protocol.batch_size {protocol.batch_size} makes such batches; use a larger one"
        )
    shared = f" shared by {processes} processes" if processes > 1 else ""
    raise ShapeError(
        f"{segment}, and {examples} examples in batches of {protocol.batch_size}{shared} leave one alone in the last; "
        "use protocol.last_batch: drop, or another protocol.batch_size"
    )
