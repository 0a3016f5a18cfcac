"""Set up a run's device, data and trainer before the clock measures training."""

from __future__ import annotations

from dataclasses import replace

import torch

from benchsuite.data.open import open_data
from benchsuite.data.source import TrainingData
from benchsuite.execution.state import RunState
from benchsuite.execution.threads import threads_of_run
from benchsuite.networks.run_shapes import shapes_of_run
from benchsuite.records.model import NetworkUsed
from benchsuite.specs.models.architecture import PluginArchitecture
from benchsuite.training.build_trainer import SegmentStates, TrainingSpecs, assemble
from benchsuite.training.device import open_device
from benchsuite.training.memory_format import choose_memory_format
from benchsuite.training.step_choice import choose_step, compile_step
from benchsuite.training.trainer import Trainer


def open_data_on_device(run: RunState) -> TrainingData:
    """Open the run's device and move the data there, or prepare to stream them."""
    spec = run.spec
    dataset = run.identity.data.dataset
    if spec.hardware.device == "cpu" and not isinstance(spec.architecture, PluginArchitecture):
        run.shapes = run.shapes or shapes_of_run(spec, dataset.input_shape, dataset.classes)
        torch.set_num_threads(threads_of_run(spec, run.shapes, torch.get_num_threads()))
    run.device = open_device(spec.hardware, run.ranks)
    run.clock.synchronize = run.device.synchronize
    run.clock.joules = run.device.energy.joules
    run.on_device(run.device)
    loaders = spec.hardware.loader_processes
    return open_data(dataset, spec.dataset, run.device.torch_device, loaders, run.device.dtype)


def set_up(run: RunState, data: TrainingData | None = None, pretrained: SegmentStates | None = None) -> Trainer:
    """Return the trainer of the main training, and note facts about its network for the record."""
    spec = run.spec
    data = data or open_data_on_device(run)
    parts = TrainingSpecs(spec.architecture, spec.protocol, spec.rule, run.identity.seeds)
    known = run.shapes
    needed = data.input_shape, spec.protocol.outputs(data.classes)
    fits = known is not None and (known.input_shape, known.classes) == needed
    trainer = assemble(parts, data, run.opened_device, run.registry, pretrained, run.ranks, known if fits else None)
    network, rule = trainer.network, trainer.rule
    state = rule.state_dict().values()
    numbers = sum(t.numel() for t in state if isinstance(t, torch.Tensor) and t.is_floating_point())
    own = sum(p.numel() for group in rule.trained_parameters for p in group.parameters)
    run.progress.network = NetworkUsed(
        parameters=sum(p.numel() for p in network.parameters()),
        feedback_parameters=numbers - own,
        own_parameters=own,
        segments=tuple(network.segments),
        taken_over=rule.taken_over,
    )
    run.progress.steps_per_epoch = trainer.steps_per_epoch
    return trainer


def lay_out_images(run: RunState, trainer: Trainer, known: bool | None) -> None:
    """Choose the memory format of images, and note it for the record.

    Args:
        run: its hardware spec gives the wanted format.
        trainer: warmed up.
        known: for a resumed run, True if it was started with channels last; None for a new run.

    """
    device = run.opened_device
    last, found = choose_memory_format(trainer, run.spec.hardware.memory_format, device.synchronize, known)
    used = device.used.model_copy(
        update={
            "memory_format": "channels_last" if last else "contiguous",
            "notes": (*device.used.notes, *([found] if found else [])),
        }
    )
    run.device = replace(device, used=used)


def prepare_step(run: RunState, trainer: Trainer) -> None:
    """Compile and record the trainer's step as the hardware spec asks, off the clock, and note it for the record.

    Call it when nothing more changes the trainer's state before its first epoch.
    """
    hardware, device = run.spec.hardware, run.opened_device
    refused = ""
    if hardware.compile != "none":
        with run.clock.measure("compile"):
            refused = compile_step(trainer, hardware.compile)
    with run.clock.measure("setup"):
        chosen = choose_step(trainer, hardware.step)
    used = device.used.model_copy(
        update={
            "step": chosen.step,
            "step_reason": chosen.reason,
            "compiled": "none" if refused else hardware.compile,
            "notes": tuple(dict.fromkeys((*device.used.notes, *([refused] if refused else [])))),
        }
    )
    run.device = replace(device, used=used)
    run.on_device(run.device)  # for the record of a run whose process is lost
