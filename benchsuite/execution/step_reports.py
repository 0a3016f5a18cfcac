"""Report the steps of a long epoch to plugins, so that a display moves between epochs."""

from __future__ import annotations

import time

from benchsuite.execution.interruption import raise_if_interrupted
from benchsuite.execution.state import RunState
from benchsuite.training.trainer import Trainer

EVERY_S = 0.5
"""Seconds between two reports of a run."""


class StepReports:
    """Sends ``benchsuite_steps_taken`` twice a second at most.

    The steps are counted on the host as they are issued: nothing is read from the device, which may be behind.
    """

    def __init__(self, run: RunState, trainer: Trainer) -> None:
        self._run = run
        self._trainer = trainer
        self._due = time.perf_counter() + EVERY_S

    def __call__(self, step: int) -> None:
        """Note that an epoch's step of this number, from 1, was issued."""
        now = time.perf_counter()
        if now < self._due:
            return
        self._due = now + EVERY_S
        raise_if_interrupted()
        self._run.send_event(
            "benchsuite_steps_taken",
            run_id=self._run.identity.run_id,
            epoch=self._trainer.epoch + 1,
            step=step,
            steps=self._trainer.steps_per_epoch,
        )
