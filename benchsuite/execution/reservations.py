"""Resources that a run reserves on a machine of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

from benchsuite.errors import HardwareError
from benchsuite.execution.executor import threads_of
from benchsuite.specs.models.dataset import ResidentBase
from benchsuite.specs.models.track import RunSpec

GIB = 2**30


@dataclass(frozen=True)
class Resources:
    """Resources that a run reserves on a machine.

    Attributes:
        cores: whole CPU cores.
        gpus: number of GPUs, or the fraction of one that ``hardware.device_share`` gives.
        memory: bytes of the machine's memory; 0 if the hardware spec gives none or means a GPU's memory.

    """

    cores: int
    gpus: float
    memory: int

    def fits(self, resources: dict[str, float]) -> bool:
        """Return True if an otherwise empty machine with these resources has room for the run."""
        has = (resources.get("CPU", 0), resources.get("GPU", 0), resources.get("memory", 0))
        return all(wanted <= there for wanted, there in zip((self.cores, self.gpus, self.memory), has, strict=True))

    def __str__(self) -> str:
        """Return the text that messages show."""
        parts = [f"{self.cores} CPU cores"]
        if self.gpus:
            parts.append(f"{self.gpus:g} GPUs")
        if self.memory:
            parts.append(f"{self.memory / GIB:g} GiB of memory")
        return ", ".join(parts)


def resources_for(spec: RunSpec, executor: str = "Ray") -> Resources:
    """Return what a run reserves: cores for its threads and its decoding processes, and its device or a share of one.

    Args:
        spec: the run.
        executor: name of the one that chooses the devices, for messages.

    Raises:
        HardwareError: if the hardware spec names a device by number, asks for several processes, or does not say how
            many processes decode images.

    """
    hardware = spec.hardware
    streams = not isinstance(spec.dataset, ResidentBase)
    if streams and hardware.loader_processes is None:
        raise HardwareError(
            f"hardware '{hardware.name}' lets each run decode images on all cores of a machine, where others may "
            "run too; say how many processes, as in `--set hardware.loader_processes=8`"
        )
    if hardware.world_size > 1:
        raise HardwareError(
            f"hardware '{hardware.name}' shares one run among {hardware.world_size} processes, which torchrun starts; "
            f"leave out --executor {executor.lower()}, or use hardware with world_size 1"
        )
    if ":" in hardware.device:
        raise HardwareError(
            f"hardware '{hardware.name}' names device {hardware.device}; {executor} chooses devices: "
            "say cuda without a number"
        )
    on_gpu = hardware.device == "cuda"
    memory = 0 if on_gpu or hardware.memory_gib is None else int(hardware.memory_gib * GIB)
    loaders = hardware.loader_processes or 0 if streams else 0
    return Resources(threads_of(hardware) + loaders, hardware.device_share if on_gpu else 0, memory)
