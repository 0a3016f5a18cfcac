"""Part ``environment``: the device, its driver and clocks, and the software that it runs with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

from benchsuite.acceptance.parts import PartRequest, Report, described
from benchsuite.records.selftest import Fact
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import open_device, resolve_hardware

HARDWARE = "hardware"
"""Name of the fact whose value is the description of the device as JSON, as runs record it."""


def measure(request: PartRequest, report: Report) -> None:
    """Report the facts.

    Raises:
        HardwareError: if the device is not here.

    """
    spec = resolve_hardware(HardwareSpec(name="selftest", device=request.device))
    device = open_device(spec)
    report(Fact(name=HARDWARE, value=device.used.model_dump_json()))
    # One product, so that a device that is seen and cannot compute fails here.
    ones = torch.ones(64, 64, device=device.torch_device)
    total = float((ones @ ones).sum())
    if total != 64**3:
        raise ArithmeticError(f"a product of ones sums to {total:g}, not to {64**3}")
    found = _of_gpu(device.torch_device) if request.is_gpu else _of_processor()
    for name, value in found:
        report(Fact(name=name, value=value))
    report(Fact(name="torch", value=torch.__version__))
    report(Fact(name="C++ compiler", value=compiler() or "none: torch.compile cannot be used"))
    report(Fact(name="energy counter", value=device.energy.source))


def compiler() -> str:
    """Return the name of the C++ compiler that torch.compile would use; empty if there is none."""
    wanted = os.environ.get("CXX")
    found = (name for name in (wanted, "g++", "clang++", "c++") if name and shutil.which(name))
    return Path(next(found, "")).name


def _of_processor() -> Iterator[tuple[str, str]]:
    yield "cores", f"{psutil.cpu_count(logical=False) or '?'}, {psutil.cpu_count() or '?'} threads"
    yield "torch's threads", str(torch.get_num_threads())
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    if frequency is not None:
        yield "clock", f"{frequency.current:.0f} MHz of at most {frequency.max or frequency.current:.0f}"
    yield "vector instructions", torch.backends.cpu.get_cpu_capability()


def _of_gpu(device: torch.device) -> Iterator[tuple[str, str]]:
    properties = torch.cuda.get_device_properties(device)
    yield "compute capability", f"{properties.major}.{properties.minor}"
    yield "multiprocessors", str(properties.multi_processor_count)
    yield "memory", f"{properties.total_memory / 2**30:.1f} GiB"
    yield "CUDA of torch", str(torch.version.cuda)
    yield "cuDNN", str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    yield "bf16", "yes" if torch.cuda.is_bf16_supported() else "no"
    try:
        yield "clock", f"{torch.cuda.clock_rate(device)} MHz"
        yield "temperature", f"{torch.cuda.temperature(device)} °C"
    except Exception as error:  # NVML's errors share no base class with others
        yield "clock", f"cannot be read: {described(error)}"
