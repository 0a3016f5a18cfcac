"""Random generators of a run's independent streams."""

from __future__ import annotations

from torch import Generator, device

from benchsuite.specs.seeds import AXES as AXES
from benchsuite.specs.seeds import Axis as Axis
from benchsuite.specs.seeds import derive_seed as derive_seed
from benchsuite.specs.seeds import derive_seeds as derive_seeds


def generator(seeds: dict[str, int], axis: Axis, on: device | str = "cpu", rank: int = 0) -> Generator:
    """Return a new random generator of one axis.

    All but dropout's are on the CPU, so that the numbers do not depend on the device. With a ``rank``, each rank has a
    stream of its own: that is for dropout, which draws for the rank's own examples. Every other stream is drawn for the
    whole batch, equally on all ranks.
    """
    seed = seeds[axis] if rank == 0 else derive_seed(f"rank {rank}", seeds[axis])
    return Generator(device=on).manual_seed(seed)
