"""Pretraining of a run, of another network or with another protocol, and the segments that it passes on."""

from __future__ import annotations

from typing import Any

from benchsuite.data.source import TrainingData
from benchsuite.execution.checkpointing import PeriodicCheckpoint, continue_from
from benchsuite.execution.endings import DivergedError
from benchsuite.execution.epochs import begin_training, trained_epochs
from benchsuite.execution.setting_up import prepare_step
from benchsuite.execution.state import RunState
from benchsuite.networks.architecture_shapes import require_pretrainable
from benchsuite.training.build_trainer import SegmentStates, assemble
from benchsuite.training.pretraining import pretrained_segments, pretraining_specs
from benchsuite.training.trainer import Trainer


def pretrain(run: RunState, data: TrainingData, saved: dict[str, Any] | None) -> SegmentStates:
    """Pretrain if the spec asks for it, and return the states of the segments that the main training keeps.

    Args:
        run: its spec says what is pretrained.
        data: on the device.
        saved: the run's checkpoint, of pretraining or main training; None if there is none.

    Raises:
        DivergedError: if the loss stopped being a finite number.

    """
    if not run.spec.pretraining.epochs:
        return {}
    if saved and saved["stage"] == "run":
        states: SegmentStates = saved["kept"]
        return states
    with run.clock.measure("setup"):
        trainer = _set_up_first(run, data)
    if saved:
        continue_from(run, trainer, saved)
    else:
        begin_training(run, trainer)
    prepare_step(run, trainer)
    checkpoint = PeriodicCheckpoint(run, trainer, "pretraining", {})
    for metrics in trained_epochs(run, trainer, run.spec.pretraining.epochs):
        run.progress.pretraining.append(metrics)
        trainer.rule.after_epoch()
        if metrics.running_loss is None:
            raise DivergedError(f"the training loss was not finite in epoch {metrics.epoch} of the pretraining")
        checkpoint.save_if_due()
    return pretrained_segments(run.spec, trainer)


def _set_up_first(run: RunState, data: TrainingData) -> Trainer:
    spec, dataset = run.spec, run.identity.data.dataset
    builders = run.registry.architectures
    outputs = spec.protocol.outputs(dataset.classes)
    require_pretrainable(spec.pretraining, spec.architecture, dataset.input_shape, outputs, builders)
    trainer = assemble(pretraining_specs(spec), data, run.opened_device, run.registry, ranks=run.ranks)
    trainer.warm_up()
    trainer.set_channels_last(spec.hardware.memory_format == "channels_last")
    return trainer
