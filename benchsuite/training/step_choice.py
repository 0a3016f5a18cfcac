"""Choice of the training step: eager, or recorded once and replayed; and compiled, if the hardware spec asks for it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchsuite.data.resident import ResidentData
from benchsuite.errors import NotCapturableError
from benchsuite.records.model import TrainingStep
from benchsuite.specs.models.hardware import CompileMode, StepMode
from benchsuite.training.recorded_step import RecordedStep
from benchsuite.training.step import training_step
from benchsuite.training.trainer import Trainer


@dataclass(frozen=True)
class StepChoice:
    """Step that a trainer takes.

    Attributes:
        step: ``eager``, batch by batch; ``recorded``, one function over static buffers; ``cuda_graph``, that function
            captured.
        reason: why it is eager; empty otherwise.

    """

    step: TrainingStep
    reason: str = ""


def choose_step(trainer: Trainer, wanted: StepMode) -> StepChoice:
    """Record the trainer's step if the hardware spec wants it and it can be, and return what was chosen.

    Call it last before training: a state or a memory format that is set later has the step recorded anew. Takes a few
    steps and undoes them.

    Args:
        trainer: set up and warmed up; ``before_training`` has been called, or a checkpoint loaded.
        wanted: from the hardware spec.

    """
    reason = _why_eager(trainer, wanted)
    data = trainer.data
    if reason or not isinstance(data, ResidentData):
        return StepChoice("eager", reason)
    recorded = RecordedStep(trainer, data)
    try:
        recorded.prepare()
    except NotCapturableError as error:
        return StepChoice("eager", str(error))
    trainer.recorded = recorded
    return StepChoice("cuda_graph" if data.device.type == "cuda" else "recorded")


def _why_eager(trainer: Trainer, wanted: StepMode) -> str:
    """Return the reason why a step is eager that can be told before it is tried; empty if there is none."""
    if wanted == "eager":
        return "the hardware spec asks for it"
    if not isinstance(trainer.data, ResidentData):
        return "examples are read from files during training"
    if reason := _why_not_static(trainer):
        return reason
    if wanted == "auto" and trainer.data.device.type != "cuda":
        return "only CUDA has graphs, elsewhere a recorded step is not faster"
    return ""


def _why_not_static(trainer: Trainer) -> str:
    """Return the reason why there is no step of one shape in one process; empty if there is."""
    if trainer.ranks.world_size > 1:
        return f"{trainer.ranks.world_size} processes share the run and exchange gradients within a step"
    if trainer.data.train_examples < trainer.protocol.batch_size:
        return "an epoch has no full batch"
    return ""


def compile_step(trainer: Trainer, mode: CompileMode) -> str:
    """Compile the trainer's step for full batches, in a step that is undone; return the reason if that is impossible.

    Args:
        trainer: set up and warmed up.
        mode: from the hardware spec.

    """
    if mode == "none":
        return ""
    if reason := _why_not_static(trainer):
        return f"not compiled: {reason}"
    # Runs made earlier in this process would count towards torch's limit of compilations per function.
    torch.compiler.reset()
    # Inductor's own graphs would be captured within ours.
    how = "max-autotune-no-cudagraphs" if mode == "max-autotune" else mode
    trainer.compiled = torch.compile(training_step, dynamic=False, mode=how)
    try:
        trainer.warm_up()
    except Exception as error:
        trainer.compiled = None
        lines = str(error).strip().splitlines() or [""]
        return f"not compiled: {type(error).__name__}: {lines[0][:200]}"
    return ""
