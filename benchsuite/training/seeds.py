"""Independent random streams from one seed index.

All rules share the initial network and the order of examples at one index, so comparisons between rules are paired; a
rule that draws more feedback weights than another shifts nothing else.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from torch import Generator, device

Axis = Literal["init", "feedback", "order", "dropout", "augmentation"]
AXES: tuple[Axis, ...] = ("init", "feedback", "order", "dropout", "augmentation")


def derive_seeds(seed: int, stage: str = "") -> dict[str, int]:
    """Return one 63-bit seed an axis; a hash, so that neighbouring indices, axes and stages of a run share nothing."""
    return {axis: derive_seed(f"{stage}/{axis}" if stage else axis, seed) for axis in AXES}


def derive_seed(stream: str, seed: int) -> int:
    """Return the 63-bit seed of one named stream."""
    digest = hashlib.sha256(f"benchsuite/{stream}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seeds: dict[str, int], axis: Axis, on: device | str = "cpu", rank: int = 0) -> Generator:
    """Return a fresh stream of one axis. All but dropout's live on the CPU, so a device draws the same numbers.

    Of several processes that share a run each has a stream of its own where a rank is given: those of dropout, which
    draws for the examples at hand. Everything else is drawn for the whole batch by all of them alike.
    """
    seed = seeds[axis] if rank == 0 else derive_seed(f"rank {rank}", seeds[axis])
    return Generator(device=on).manual_seed(seed)
