"""Settings of glibc's allocator that keep large freed blocks in the process between steps.

By default glibc maps every block above a moving threshold anew and unmaps it when it is freed. A training step then
pays for zeroed pages that the step before has just given back to the system. How much it pays depends on what was freed
earlier in the process: ratios of step times between rules move by a third. Fixed thresholds keep the blocks.
"""

from __future__ import annotations

import ctypes
import sys

# From <malloc.h>; the values are part of glibc's binary interface.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
KEEP_BELOW_BYTES = 1 << 30


def keep_freed_memory() -> bool:
    """Fix glibc's thresholds for this process; return True if that was possible (not on musl, macOS or Windows)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEEP_BELOW_BYTES)) and bool(mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
