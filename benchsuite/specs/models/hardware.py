"""On what a run is made. The class name is what costs are compared within; what was really used is in the record."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from benchsuite.specs.models.base import DocumentedSpec

Precision = Literal["fp32", "tf32", "bf16"]
MemoryFormat = Literal["contiguous", "channels_last", "fastest"]


class HardwareSpec(DocumentedSpec):
    """Device, number format and what a run needs of the machine."""

    later_fields = frozenset(
        {
            "synchronized_batch_norm",
            "device_share",
            "loader_processes",
            "sustained_tflops",
            "memory_format",
        }
    )

    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda|cuda:\d+|mps)$")] = "auto"
    """auto, cpu, cuda, cuda:N or mps. 'auto' is settled when the plan is made: cuda if there is one, else cpu."""
    precision: Precision = "fp32"
    """fp32; tf32 (matrix products on tensor cores); bf16 (autocast, weights stay fp32)."""
    memory_format: MemoryFormat = "contiguous"
    """How images lie in memory: ``contiguous``, channel after channel; ``channels_last``, pixel after pixel;
    ``fastest``, whichever takes less time for this network and rule, measured before training and recorded."""
    threads: int | None = Field(default=None, gt=0, le=1024)
    """CPU threads of torch; torch's own choice if not given."""
    memory_gib: float | None = Field(default=None, gt=0)
    """The run is refused on a device with less memory in all."""
    sustained_tflops: float | None = Field(default=None, gt=0)
    """What one device makes of products in training, in 10¹² operations a second; for a plan's hours only."""
    world_size: int = Field(default=1, gt=0, le=4096)
    """Processes that share one run, each with a device of its own; `torchrun` starts them, and says how many."""
    synchronized_batch_norm: bool = False
    """Of several processes: batch norms take the statistics of the whole batch, not of each process's part."""
    device_share: float = Field(default=1, gt=0, le=1)
    """Part of a GPU that one run takes, for an executor that makes several runs at once: 0.25 packs four on one."""
    loader_processes: int | None = Field(default=None, ge=0, le=1024)
    """Processes that decode images beside each that trains; all cores' worth if not given. Changes no number."""
    hardware_class: str = Field(default="", max_length=80)
    """The board compares costs within one class only; named after the device found if empty."""
