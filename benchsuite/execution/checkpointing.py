"""Save a run's checkpoint periodically, and restore it when the run is resumed."""

from __future__ import annotations

import logging
import time
from typing import Any, Literal

from benchsuite.errors import StoreError
from benchsuite.execution.state import RunState
from benchsuite.records.model import DiagnosticValue, EpochMetrics, StepDiagnosticValue
from benchsuite.training.build_trainer import SegmentStates
from benchsuite.training.checkpoint import load_checkpoint, save_checkpoint
from benchsuite.training.trainer import Trainer

logger = logging.getLogger("benchsuite.execution")

# A checkpoint writes the whole state. A killed run loses at most this time plus one epoch.
CHECKPOINT_EVERY_S = 5.0

Stage = Literal["pretraining", "run"]


def restore(run: RunState) -> dict[str, Any] | None:
    """Restore a run's progress from its checkpoint and return the checkpoint; None if there is none to resume from."""
    if run.fresh:
        if run.ranks.is_rank0:
            run.checkpoint_path.unlink(missing_ok=True)
        return None
    key = run.identity.result_key
    saved = run.ranks.broadcast_object(load_checkpoint(run.checkpoint_path, key) if run.ranks.is_rank0 else None)
    if saved is None:
        return None
    progress, clock = run.progress, run.clock
    progress.epochs = [EpochMetrics.model_validate_json(text) for text in saved["epochs"]]
    progress.pretraining = [EpochMetrics.model_validate_json(text) for text in saved["pretraining"]]
    progress.diagnostics = [DiagnosticValue.model_validate_json(text) for text in saved["diagnostics"]]
    measured = saved["step_diagnostics"]
    progress.step_diagnostics = [StepDiagnosticValue.model_validate_json(text) for text in measured]
    progress.resumed = int(saved["resumed"]) + 1
    clock.spent = dict(saved["spent"])
    clock.worked = dict(saved["worked"])
    clock.used = dict(saved["used"])
    if clock.spent and not clock.used:
        clock.joules = None  # energy used before is not known, so the sum would be too low
    return saved


class PeriodicCheckpoint:
    """Periodic saving of a run, after an epoch, when the last save is ``CHECKPOINT_EVERY_S`` ago.

    Args:
        run: the run to save.
        trainer: holds the network, rule, optimizer and random streams to save.
        stage: pretraining, or the run's main training.
        pretrained: states of the segments that the run took over from its pretraining.

    """

    def __init__(self, run: RunState, trainer: Trainer, stage: Stage, pretrained: SegmentStates) -> None:
        self.run = run
        self.trainer = trainer
        self.stage: Stage = stage
        self.pretrained = pretrained
        self.last_saved = time.perf_counter()

    def save_if_due(self) -> None:
        """Write a checkpoint if one is due; if it cannot be written, warn and let the run continue."""
        if not self.run.ranks.broadcast_object(time.perf_counter() - self.last_saved > CHECKPOINT_EVERY_S):
            return
        try:
            self._write()
        except StoreError as error:
            logger.warning("%s; the run goes on without", error)
        self.last_saved = time.perf_counter()

    def _write(self) -> None:
        run, progress, clock = self.run, self.run.progress, self.run.clock
        content = {
            "result_key": run.identity.result_key,
            "stage": self.stage,
            "channels_last": self.trainer.channels_last,
            "kept": {name: dict(state) for name, state in self.pretrained.items()},
            "trainer": self.trainer.state(),  # gathers from all ranks
            "pretraining": [e.model_dump_json() for e in progress.pretraining],
            "epochs": [e.model_dump_json() for e in progress.epochs],
            "diagnostics": [d.model_dump_json() for d in progress.diagnostics],
            "step_diagnostics": [d.model_dump_json() for d in progress.step_diagnostics],
            "resumed": progress.resumed,
            "spent": clock.spent,
            "worked": clock.worked,
            "used": clock.used,
        }
        if run.ranks.is_rank0:
            save_checkpoint(run.checkpoint_path, content)
