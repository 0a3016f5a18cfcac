"""Seeds of independent random streams, derived from one seed index without torch, so that a record can be checked.

At one index all rules share the initial network and the order of examples, so comparisons between rules are paired. A
rule that draws more feedback weights than another changes no other stream.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Axis = Literal["init", "feedback", "order", "dropout", "augmentation"]
AXES: tuple[Axis, ...] = ("init", "feedback", "order", "dropout", "augmentation")


def derive_seeds(seed: int, stage: str = "") -> dict[str, int]:
    """Return one 63-bit seed per axis, by a hash: neighbouring indices, axes and stages of a run are independent."""
    return {axis: derive_seed(f"{stage}/{axis}" if stage else axis, seed) for axis in AXES}


def derive_seed(stream: str, seed: int) -> int:
    """Return the 63-bit seed of one named stream."""
    digest = hashlib.sha256(f"benchsuite/{stream}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
