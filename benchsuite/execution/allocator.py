"""glibc's allocator, kept from handing large blocks back to the system between steps.

By default glibc maps blocks above a moving threshold afresh and unmaps them when freed. A training step then pays for
zeroed pages that the step before had just given back, and how much it pays depends on what was freed earlier in the
process: ratios between rules move by a third. Fixed thresholds keep the blocks.
"""

from __future__ import annotations

import ctypes
import sys

# From <malloc.h>; the values are part of glibc's binary interface.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEEP_BELOW_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Fix glibc's thresholds for this process; returns whether that could be done (not on musl, macOS or Windows)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEEP_BELOW_BYTES)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
