"""Version of the GPU driver; torch's own CUDA version is part of torch's version."""

from __future__ import annotations

from pathlib import Path

import torch

KERNEL_MODULE = Path("/sys/module/nvidia/version")


def driver_version(device: torch.device, kernel_module: Path = KERNEL_MODULE) -> str | None:
    """Return the version of the NVIDIA driver, such as ``NVIDIA 580.65.06``; None for other devices or if unknown."""
    if device.type != "cuda" or torch.version.cuda is None:
        return None
    version = _of_kernel_module(kernel_module) or _from_nvml()
    return f"NVIDIA {version}" if version else None


def _of_kernel_module(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _from_nvml() -> str:
    try:
        import pynvml
    except ImportError:
        return ""
    try:
        pynvml.nvmlInit()
        version = pynvml.nvmlSystemGetDriverVersion()
    except pynvml.NVMLError:
        return ""
    # nvidia-ml-py before 12 returned bytes.
    return version.decode() if isinstance(version, bytes) else str(version)
