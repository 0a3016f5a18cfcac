"""Random numbers that are the same on every machine and with every library version.

Only NumPy's raw PCG64 bits are used, which are guaranteed to stay the same. NumPy's distributions, torch's random
numbers and scikit-learn's splits may change with a version, and with them every result on the data.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def make_bits(*key: int) -> np.random.PCG64:
    """Return the bit stream of a key of integers; negative integers count as 64-bit two's complement."""
    return np.random.PCG64([k % 2**64 for k in key])


def draw_bytes(bits: np.random.PCG64, count: int) -> NDArray[np.uint8]:
    """Draw uniform bytes, 0 to 255, shape (count,)."""
    words = bits.random_raw(-(-count // 8)).astype("<u8", copy=False)
    return words.view(np.uint8)[:count]


def draw_order(bits: np.random.PCG64, count: int) -> NDArray[np.int64]:
    """Draw a random permutation of 0 to ``count - 1``."""
    return np.argsort(bits.random_raw(count), kind="stable")
