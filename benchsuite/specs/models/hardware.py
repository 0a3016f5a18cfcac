"""Hardware of a run. Costs are compared within one hardware class; the record has the hardware actually used."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from benchsuite.specs.models.base import DocumentedSpec

Precision = Literal["fp32", "tf32", "bf16", "fp64"]
MemoryFormat = Literal["contiguous", "channels_last", "fastest"]
StepMode = Literal["auto", "eager", "recorded"]
CompileMode = Literal["none", "default", "max-autotune"]


class HardwareSpec(DocumentedSpec):
    """Device, precision and machine requirements of a run."""

    omit_default_from_hash = frozenset(
        {
            "synchronized_batch_norm",
            "device_share",
            "loader_processes",
            "sustained_tflops",
            "memory_format",
            "step",
            "compile",
        }
    )

    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|cuda|cuda:\d+|mps)$")] = "auto"
    """auto, cpu, cuda, cuda:N or mps. 'auto' is resolved when the plan is made: cuda if available, else cpu."""
    precision: Precision = "fp32"
    """fp32; tf32 (matrix products on tensor cores); bf16 (autocast, weights stay fp32); fp64 (everything: data,
    weights, credit and updates, from the initial weights of fp32, as GAIT-prop's published code has it)."""
    memory_format: MemoryFormat = "contiguous"
    """Memory format of images: ``contiguous``, channel after channel; ``channels_last``, pixel after pixel;
    ``fastest``, the one that takes less time for this network and rule, measured before training and recorded."""
    step: StepMode = "auto"
    """The training step: ``eager``, kernel after kernel; ``recorded``, one function over static buffers, on CUDA
    captured in a graph and replayed; ``auto``, recorded on CUDA, eager elsewhere. A step that cannot be recorded is
    eager, and the record says why. Changes no results."""
    compile: CompileMode = "none"
    """Compilation of the training step by ``torch.compile``, for full batches: ``none``, or one of its modes. Numbers
    then agree with those of other runs to rounding. Its time is apart from that of training."""
    threads: int | None = Field(default=None, gt=0, le=1024)
    """CPU threads of torch; torch's default if not given."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Memory the device needs in total, in GiB; the run is refused on a device with less."""
    sustained_tflops: float | None = Field(default=None, gt=0)
    """Sustained speed of one device for matrix products in training, in 10¹² operations per second; used only to
    estimate the hours of a plan."""
    world_size: int = Field(default=1, gt=0, le=4096)
    """Processes that share one run, each with its own device; `torchrun` starts them and sets this number."""
    synchronized_batch_norm: bool = False
    """With several processes: compute batch norm statistics over the whole batch instead of each process's part."""
    device_share: float = Field(default=1, gt=0, le=1)
    """Fraction of a GPU per run, for executors that run several at once: 0.25 packs four runs on one GPU."""
    loader_processes: int | None = Field(default=None, ge=0, le=1024)
    """Processes that decode images per training process; its share of all cores if not given. Changes no results."""
    hardware_class: str = Field(default="", max_length=80)
    """Class within which the board compares costs; the name of the device found if empty."""
