"""Energy used by a device, read from hardware counters.

A counter covers everything the device does, for all processes: on a shared machine the number is too high for one run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

POWERCAP = Path("/sys/class/powercap")
MICRO, MILLI = 1e-6, 1e-3


@dataclass(frozen=True)
class EnergyMeter:
    """An energy counter, if the device has one.

    Attributes:
        joules: returns the energy used since a fixed moment in the past; None if there is no counter.
        source: name of the counter, or the reason why there is none.

    """

    joules: Callable[[], float] | None
    source: str


def open_energy_meter(device: torch.device, powercap: Path = POWERCAP) -> EnergyMeter:
    """Return a device's energy meter: NVML for CUDA, the processor packages' counters (RAPL) for the CPU."""
    if device.type == "cuda":
        return _of_gpu(device)
    if device.type == "cpu":
        return _of_packages(powercap)
    return EnergyMeter(None, f"no counter is known for {device.type}")


def _of_gpu(device: torch.device) -> EnergyMeter:
    try:
        import pynvml
    except ImportError:
        return EnergyMeter(None, "NVML's Python package (nvidia-ml-py) is not installed")
    try:
        pynvml.nvmlInit()
        # By UUID: CUDA_VISIBLE_DEVICES renumbers torch's devices, but not NVML's.
        handle: Any = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode())
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError as error:
        return EnergyMeter(None, f"NVML does not count here: {error}")
    return EnergyMeter(
        lambda: float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * MILLI, "the whole GPU, counted by NVML"
    )


class _Package:
    """One processor package; its counter wraps around at the end of its range."""

    def __init__(self, folder: Path) -> None:
        self.counter = folder / "energy_uj"
        self.range = int((folder / "max_energy_range_uj").read_text())
        self.last = self._read()
        self.total = 0

    def _read(self) -> int:
        return int(self.counter.read_text())

    def microjoules(self) -> int:
        """Return the energy used since the counter was opened; must be called at least once per wrap of the counter."""
        now = self._read()
        self.total += now - self.last if now >= self.last else now + self.range - self.last
        self.last = now
        return self.total


def _of_packages(powercap: Path) -> EnergyMeter:
    # One colon: `intel-rapl:0` is a package, `intel-rapl:0:0` a part of it. AMD processors use the same name.
    folders = sorted(f for f in powercap.glob("intel-rapl:*") if f.name.count(":") == 1)
    if not folders:
        return EnergyMeter(None, "the processor shows no counter")
    try:
        packages = [_Package(folder) for folder in folders if (folder / "name").read_text().startswith("package")]
    except (OSError, ValueError) as error:
        return EnergyMeter(None, f"the processor's counter cannot be read: {error}")
    if not packages:
        return EnergyMeter(None, "the processor shows no counter of a whole package")
    return EnergyMeter(
        lambda: sum(package.microjoules() for package in packages) * MICRO,
        f"{len(packages)} whole processor package{'s' if len(packages) > 1 else ''}, counted by RAPL",
    )
