"""Training of a run up to its last epoch: pretraining, main training, evaluation and diagnostics."""

from __future__ import annotations

from benchsuite.execution.checkpointing import PeriodicCheckpoint, continue_from, restore
from benchsuite.execution.diagnostics_schedule import DiagnosticsSchedule
from benchsuite.execution.endings import DivergedError
from benchsuite.execution.epochs import begin_training, trained_epochs
from benchsuite.execution.measuring import evaluated, has_learned_all, lacks_a_measurement
from benchsuite.execution.pretraining_loop import pretrain
from benchsuite.execution.setting_up import lay_out_images, open_data_on_device, prepare_step, set_up
from benchsuite.execution.state import RunState
from benchsuite.records.model import EpochMetrics
from benchsuite.training.build_trainer import SegmentStates
from benchsuite.training.device import reset_peak_memory
from benchsuite.training.trainer import Trainer


def make(run: RunState) -> None:
    """Train a run to its end, from its checkpoint if it has one.

    Raises:
        TimeBudgetSpentError: when the protocol's time budget is over.
        DivergedError: if a loss stopped being a finite number.
        IncompatibleError: if the rule cannot work in the network.

    """
    with run.clock.measure("setup"):
        data = open_data_on_device(run)
        saved = restore(run)
    pretrained = pretrain(run, data, saved)
    if saved and saved["stage"] != "run":
        saved = None  # it was saved during pretraining
    with run.clock.measure("setup"):
        trainer = set_up(run, data, pretrained)
        trainer.warm_up()
        lay_out_images(run, trainer, saved["channels_last"] if saved else None)
    if saved:
        continue_from(run, trainer, saved)
    _train(run, trainer, pretrained)


def _train(run: RunState, trainer: Trainer, pretrained: SegmentStates) -> None:
    """Do the run's main training: evaluate after epochs and save checkpoints periodically."""
    run.send_event(
        "benchsuite_run_started", run_id=run.identity.run_id, spec=run.spec, resumed_from_epoch=trainer.epoch
    )
    reset_peak_memory(run.opened_device.torch_device)
    diagnosis = DiagnosticsSchedule(run.spec, run.registry, run.clock, run.progress)
    if trainer.epoch == 0:
        begin_training(run, trainer)
        diagnosis.between_epochs(trainer, at_an_end=True)
        _send_diagnostics(run, diagnosis)
    trainer.between_steps = diagnosis.between_steps(trainer)
    checkpoint = PeriodicCheckpoint(run, trainer, "run", pretrained)
    if has_learned_all(run):
        return
    prepare_step(run, trainer)
    for metrics in trained_epochs(run, trainer, run.spec.protocol.epochs):
        _end_epoch(run, trainer, diagnosis, evaluated(run, trainer, metrics))
        checkpoint.save_if_due()
        if has_learned_all(run):
            return


def _end_epoch(run: RunState, trainer: Trainer, diagnosis: DiagnosticsSchedule, metrics: EpochMetrics) -> None:
    """Store and send an epoch's metrics, stop the run if it diverged, and measure diagnostics that are due."""
    run.progress.epochs.append(metrics)
    run.send_event("benchsuite_epoch_finished", run_id=run.identity.run_id, spec=run.spec, metrics=metrics)
    # Before the check of the loss: the rule gives a better reason why it is not finite.
    trainer.rule.after_epoch()
    if metrics.running_loss is None:
        raise DivergedError(f"the training loss was not finite in epoch {metrics.epoch}")
    if lacks_a_measurement(run, metrics):
        raise DivergedError(f"the loss was not finite when measured after epoch {metrics.epoch}")
    wanted = metrics.epoch % run.spec.diagnostics.every_epochs == 0
    at_the_end = metrics.epoch == run.spec.protocol.epochs or has_learned_all(run)
    if wanted or at_the_end:
        diagnosis.between_epochs(trainer, at_the_end)
    _send_diagnostics(run, diagnosis)


def _send_diagnostics(run: RunState, diagnosis: DiagnosticsSchedule) -> None:
    if values := diagnosis.take_new():
        run.send_event("benchsuite_diagnostics_measured", run_id=run.identity.run_id, spec=run.spec, values=values)
