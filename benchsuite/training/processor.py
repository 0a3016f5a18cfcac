"""Name and memory of this machine's processor. Imports no torch."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path


def has_no_gpu() -> bool:
    """Return True if this machine certainly has no CUDA device for torch; False if it takes torch to know."""
    if sys.platform == "darwin":
        return True
    drivers = ("nvidiactl", "nvidia0", "kfd", "dxg", "nvhost-gpu", "nvmap")
    return sys.platform == "linux" and not any(Path("/dev", name).exists() for name in drivers)


def processor_name() -> str:
    """Return the processor's name as the operating system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def machine_memory_gib() -> float:
    """Return the machine's memory in GiB; 0 if the platform does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return 0.0
