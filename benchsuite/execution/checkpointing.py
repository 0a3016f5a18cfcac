"""Save a run's checkpoint periodically, and restore it when the run is resumed."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, Literal

from benchsuite.errors import DamagedFileError, StoreError
from benchsuite.execution.state import RunState
from benchsuite.files import discard, remove_left_over, set_aside
from benchsuite.records.model import DiagnosticValue, EpochMetrics, StepDiagnosticValue
from benchsuite.training.build_trainer import SegmentStates
from benchsuite.training.checkpoint import load_checkpoint, save_checkpoint
from benchsuite.training.trainer import Trainer

logger = logging.getLogger("benchsuite.execution")

# A checkpoint writes the whole state. A killed run loses at most this time plus one epoch.
CHECKPOINT_EVERY_S = 5.0

Stage = Literal["pretraining", "run"]

Metrics = tuple[list[EpochMetrics], list[EpochMetrics], list[DiagnosticValue], list[StepDiagnosticValue]]
"""Epochs of the main training and of the pretraining, and both kinds of diagnostic values."""


ENTRIES: dict[str, type] = {
    "stage": str,
    "channels_last": bool,
    "kept": dict,
    "trainer": dict,
    "resumed": int,
    "spent": dict,
    "worked": dict,
    "used": dict,
    "remarks": list,
}
"""Entries of a checkpoint beside its metrics, which have models of their own."""


def restore(run: RunState) -> dict[str, Any] | None:
    """Restore a run's progress from its checkpoint and return the checkpoint; None if there is none to resume from.

    A damaged checkpoint is set aside and named in a warning and in the record; the run then begins anew.
    """
    saved = run.ranks.broadcast_object(_load(run) if run.ranks.is_rank0 else None)
    if saved is None:
        return None
    _restore_progress(run, saved)
    clock = run.clock
    clock.spent = dict(saved["spent"])
    clock.worked = dict(saved["worked"])
    clock.used = dict(saved["used"])
    if clock.spent and not clock.used:
        clock.joules = None  # energy used before is not known, so the sum would be too low
    return saved


def _load(run: RunState) -> dict[str, Any] | None:
    path = run.checkpoint_path
    remove_left_over(path.parent, path.name)  # of this run's killed processes; its lock is held
    if run.fresh:
        discard(path)
        return None
    try:
        saved = load_checkpoint(path, run.identity.result_key)
        if saved is not None:
            _require_entries(saved)
    except DamagedFileError as error:
        run.progress.remarks.append(_set_aside(path, error))
        return None
    return saved


def _require_entries(saved: dict[str, Any]) -> None:
    """Raise DamagedFileError unless a checkpoint has all that a run is continued from."""
    wrong = [name for name, kind in ENTRIES.items() if not isinstance(saved.get(name), kind)]
    if wrong:
        raise DamagedFileError(f"{', '.join(wrong)}: missing, or of the wrong kind")
    try:
        _metrics(saved)
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(f"its metrics cannot be read: {type(error).__name__}") from error


def _set_aside(path: Path, error: DamagedFileError) -> str:
    """Set a damaged checkpoint aside, warn, and return the remark for the record, without a path of this machine."""
    try:
        where = f"kept as {set_aside(path)}"
    except StoreError as failure:
        where = str(failure)
    logger.warning("checkpoint %s is damaged: %s; the run begins anew (%s)", path, error, where)
    return f"began anew: its checkpoint was damaged ({error})"


def _metrics(saved: dict[str, Any]) -> Metrics:
    return (
        [EpochMetrics.model_validate_json(text) for text in saved["epochs"]],
        [EpochMetrics.model_validate_json(text) for text in saved["pretraining"]],
        [DiagnosticValue.model_validate_json(text) for text in saved["diagnostics"]],
        [StepDiagnosticValue.model_validate_json(text) for text in saved["step_diagnostics"]],
    )


def _restore_progress(run: RunState, saved: dict[str, Any]) -> None:
    progress = run.progress
    progress.epochs, progress.pretraining, progress.diagnostics, progress.step_diagnostics = _metrics(saved)
    progress.resumed = int(saved["resumed"]) + 1
    progress.remarks = list(saved["remarks"])


def continue_from(run: RunState, trainer: Trainer, saved: dict[str, Any]) -> None:
    """Load a checkpoint's state into a trainer.

    Raises:
        StoreError: if the state does not fit; the checkpoint is set aside then, so that the next run begins anew.

    """
    try:
        trainer.load_state(saved["trainer"])
    except (AttributeError, KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
        why = DamagedFileError(f"its state does not fit the network: {type(error).__name__}")
        if run.ranks.is_rank0:
            _set_aside(run.checkpoint_path, why)
        raise StoreError(f"the run's checkpoint was set aside, {why}; run again to begin anew") from error


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
        self.warned = False

    def save_if_due(self) -> None:
        """Write a checkpoint if one is due; if it cannot be written, warn once and let the run continue."""
        if not self.run.ranks.broadcast_object(time.perf_counter() - self.last_saved > CHECKPOINT_EVERY_S):
            return
        try:
            self._write()
        except StoreError as error:
            if not self.warned:
                logger.warning("%s; the run goes on without, but begins anew if it is stopped", error)
            self.warned = True
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
            "remarks": progress.remarks,
            "spent": clock.spent,
            "worked": clock.worked,
            "used": clock.used,
        }
        if run.ranks.is_rank0:
            save_checkpoint(run.checkpoint_path, content)
