"""Independent random streams derived from one seed index.

At one index all rules share the initial network and the order of examples, so comparisons between rules are paired. A
rule that draws more feedback weights than another changes no other stream.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from torch import Generator, device

Axis = Literal["init", "feedback", "order", "dropout", "augmentation"]
AXES: tuple[Axis, ...] = ("init", "feedback", "order", "dropout", "augmentation")


def derive_seeds(seed: int, stage: str = "") -> dict[str, int]:
    """Return one 63-bit seed per axis, by a hash: neighbouring indices, axes and stages of a run are independent."""
    return {axis: derive_seed(f"{stage}/{axis}" if stage else axis, seed) for axis in AXES}


def derive_seed(stream: str, seed: int) -> int:
    """Return the 63-bit seed of one named stream."""
    digest = hashlib.sha256(f"benchsuite/{stream}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seeds: dict[str, int], axis: Axis, on: device | str = "cpu", rank: int = 0) -> Generator:
    """Return a new random generator of one axis.

    All but dropout's are on the CPU, so that the numbers do not depend on the device. With a ``rank``, each rank has a
    stream of its own: that is for dropout, which draws for the rank's own examples. Every other stream is drawn for the
    whole batch, equally on all ranks.
    """
    seed = seeds[axis] if rank == 0 else derive_seed(f"rank {rank}", seeds[axis])
    return Generator(device=on).manual_seed(seed)
