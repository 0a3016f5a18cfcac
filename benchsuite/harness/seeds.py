"""Independent random streams from one seed index.

All rules share the initial network and the order of examples at one index, so comparisons between rules are paired; a
rule that draws more feedback weights than another shifts nothing else.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from torch import Generator, device

Axis = Literal["init", "feedback", "order", "dropout"]
AXES: tuple[Axis, ...] = ("init", "feedback", "order", "dropout")


def derive_seeds(seed: int, stage: str = "") -> dict[str, int]:
    """Return one 63-bit seed an axis; a hash, so that neighbouring indices, axes and stages of a run share nothing."""
    return {axis: derive_seed(f"{stage}/{axis}" if stage else axis, seed) for axis in AXES}


def derive_seed(stream: str, seed: int) -> int:
    """Return the 63-bit seed of one named stream."""
    digest = hashlib.sha256(f"benchsuite/{stream}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seeds: dict[str, int], axis: Axis, on: device | str = "cpu") -> Generator:
    """Return a fresh stream of one axis. All but dropout's live on the CPU, so a device draws the same numbers."""
    return Generator(device=on).manual_seed(seeds[axis])
