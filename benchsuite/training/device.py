"""Set up the device that a hardware spec asks for, and describe it for the record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchsuite.errors import HardwareError
from benchsuite.networks.tf32 import allow_tf32
from benchsuite.records.model import HardwareUsed
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.driver import driver_version
from benchsuite.training.energy import EnergyMeter, open_energy_meter
from benchsuite.training.processor import machine_memory_gib, processor_name
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks, launched_world_size, local_world_size


@dataclass(frozen=True)
class Device:
    """A device set up as a hardware spec asks.

    Attributes:
        torch_device: the device of all tensors.
        used: description for the record.
        autocast_dtype: low-precision type of matrix products, or None.
        dtype: type of data, weights and feedback.
        synchronizes_norms: True if batch norm takes its statistics over the batches of all ranks.
        synchronize: waits until the device has finished all its work.
        energy: the device's energy meter.

    """

    torch_device: torch.device
    used: HardwareUsed
    autocast_dtype: torch.dtype | None
    synchronizes_norms: bool
    synchronize: Callable[[], None]
    energy: EnergyMeter
    dtype: torch.dtype = torch.float32


def resolve_hardware(hardware: HardwareSpec) -> HardwareSpec:
    """Return a spec whose device and world size are explicit.

    Raises:
        HardwareError: if this machine lacks what the spec asks for; the message says what it has.

    """
    processes = launched_world_size()
    if hardware.world_size not in (1, processes) and processes > 1:
        raise HardwareError(
            f"hardware '{hardware.name}' asks for {hardware.world_size} processes, but torchrun started "
            f"{processes}; give torchrun --nproc-per-node, or set hardware.world_size, so that both are equal"
        )
    name = hardware.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = int(name.partition(":")[2] or 0)
        if processes > 1 and ":" in name:
            raise HardwareError(
                f"hardware '{hardware.name}' asks for {name}, but each of {processes} processes takes a device of its "
                "own; set hardware.device to cuda"
            )
        if processes > 1 and local_world_size() > count:
            raise HardwareError(
                f"torchrun started {local_world_size()} processes on this machine, which has {count} CUDA "
                "devices; start one per device, or use --hardware cpu"
            )
        if index >= count:
            raise HardwareError(
                f"hardware '{hardware.name}' asks for {name}, but torch sees {count} CUDA devices here; "
                "use --hardware cpu, or see `benchsuite doctor`"
            )
    if name == "mps" and hardware.precision == "fp64":
        raise HardwareError(
            f"hardware '{hardware.name}' asks for fp64, which mps does not have; use --hardware cpu-fp64"
        )
    if name == "mps" and not torch.backends.mps.is_available():
        raise HardwareError(
            f"hardware '{hardware.name}' asks for mps, which torch does not see here; use --hardware cpu"
        )
    memory = _memory_gib(torch.device(name))
    if hardware.memory_gib is not None and memory < hardware.memory_gib:
        raise HardwareError(
            f"hardware '{hardware.name}' asks for {hardware.memory_gib:g} GiB, but {name} has {memory:.1f} GiB"
        )
    return hardware.model_copy(update={"device": name, "world_size": max(hardware.world_size, processes)})


def open_device(hardware: HardwareSpec, ranks: Ranks = SINGLE_PROCESS) -> Device:
    """Set threads and precision for this process and return its device; the spec must be resolved."""
    device = torch.device(hardware.device)
    if ranks.world_size > 1 and device.type == "cuda":
        device = torch.device("cuda", ranks.local_rank)
    if hardware.threads is not None:
        torch.set_num_threads(hardware.threads)
    allow_tf32(hardware.precision == "tf32")
    notes = []
    if hardware.precision == "tf32" and device.type != "cuda":
        notes.append(f"tf32 has no effect on {device.type}; matrix products were computed in fp32")
    if ranks.world_size > 1:
        norms = "of the whole batch" if hardware.synchronized_batch_norm else "of each process's part of the batch"
        notes.append(f"{ranks.world_size} processes; batch norms take statistics {norms}")
        notes.append("memory and energy are those of the first process's device")
    name = _device_name(device)
    threads = torch.get_num_threads()
    default_class = f"{name}, {threads} threads" if device.type == "cpu" else name
    used = HardwareUsed(
        hardware_class=hardware.hardware_class or default_class,
        device=hardware.device,
        device_name=name,
        precision=hardware.precision,
        threads=threads,
        memory_gib=round(_memory_gib(device), 2),
        driver=driver_version(device),
        world_size=ranks.world_size,
        notes=tuple(notes),
    )
    synchronize: Callable[[], None] = lambda: None  # noqa: E731 - one of three values of the same variable
    if device.type == "cuda":
        synchronize = lambda: torch.cuda.synchronize(device)  # noqa: E731
    elif device.type == "mps":
        synchronize = torch.mps.synchronize
    autocast_dtype = torch.bfloat16 if hardware.precision == "bf16" else None
    dtype = torch.float64 if hardware.precision == "fp64" else torch.float32
    synchronizes_norms = hardware.synchronized_batch_norm and ranks.world_size > 1
    return Device(device, used, autocast_dtype, synchronizes_norms, synchronize, open_energy_meter(device), dtype)


def unknown_device(hardware: HardwareSpec) -> Device:
    """Return a placeholder for a device that is not known, for the record of a lost run; nothing can run on it."""
    used = HardwareUsed(
        hardware_class=hardware.hardware_class or "not known",
        device=hardware.device,
        device_name="not known",
        precision=hardware.precision,
        threads=hardware.threads or 1,
        memory_gib=0,
        notes=("the process that knew the device has ended",),
    )
    return Device(torch.device("meta"), used, None, False, lambda: None, EnergyMeter(None, "the process has ended"))


def reset_peak_memory(device: torch.device) -> None:
    """Reset the peak memory counter, as far as the platform allows."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return


def peak_memory(device: torch.device) -> tuple[float | None, str]:
    """Return the peak memory in MiB since the last reset, and the name of what was measured."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20, "the device's allocator"
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None, "not available on this platform"
    kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return kib / 1024, "this process's resident memory"


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()


def _memory_gib(device: torch.device) -> float:
    if device.type == "cuda":
        return float(torch.cuda.get_device_properties(device).total_memory) / 2**30
    return machine_memory_gib()
