"""Schedule of a run's diagnostics: between epochs, and between steps if the spec asks for it; never on the clock."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch

from benchsuite.credit.batch import Batch
from benchsuite.errors import ControlFlowError, IncompatibleError, PluginError, SingularMapError
from benchsuite.execution.endings import first_line, is_allocation_failure
from benchsuite.execution.record_building import Progress
from benchsuite.networks.criterion import criterion_of
from benchsuite.records.model import DiagnosticValue, StepDiagnosticValue
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.clock import Clock
from benchsuite.training.trainer import Trainer

if TYPE_CHECKING:
    from benchsuite.diagnostics.contract import Diagnostic

logger = logging.getLogger("benchsuite.execution")

Values = dict[tuple[str, str | None], float | None]
"""Measured values, by diagnostic and segment."""


class DiagnosticsSchedule:
    """Measurement of the diagnostics in a run's spec; values are added to the run's progress.

    A diagnostic that fails is left out from then on, with a warning and a note in the record; the run goes on.
    """

    def __init__(self, spec: RunSpec, registry: Registry, clock: Clock, progress: Progress) -> None:
        self.wanted = spec.diagnostics
        self.criterion = criterion_of(spec.protocol.loss)
        self.registry = registry
        self.clock = clock
        self.progress = progress
        self._failed: set[str] = set()
        # Values that a continued run has from its checkpoint were sent before it was interrupted.
        self._taken = (len(progress.diagnostics), len(progress.step_diagnostics))

    def _due(self, at_an_end: bool) -> dict[str, type[Diagnostic]]:
        kinds = {name: self.registry.diagnostic(name) for name in self.wanted.names}
        return {name: kind for name, kind in kinds.items() if at_an_end or not kind.only_at_ends}

    def between_epochs(self, trainer: Trainer, at_an_end: bool) -> None:
        """Measure the diagnostics that are due; expensive ones only before training and at its end."""
        due = self._due(at_an_end)
        with self.clock.measure("diagnostics"):
            self.progress.diagnostics += [
                DiagnosticValue(diagnostic=name, segment=segment, epoch=trainer.epoch, value=value)
                for (name, segment), value in self._measure(trainer, due).items()
            ]

    def between_steps(self, trainer: Trainer) -> Callable[[int], None] | None:
        """Return the function to call after each step except an epoch's last, with the step count; None for none."""
        every = self.wanted.every_steps
        if every is None or not (due := self._due(at_an_end=False)):
            return None

        def measure(steps: int) -> None:
            step = trainer.epoch * trainer.steps_per_epoch + steps
            if step % every:
                return
            with self.clock.apart("diagnostics", "train"):
                self.progress.step_diagnostics += [
                    StepDiagnosticValue(diagnostic=name, segment=segment, step=step, value=value)
                    for (name, segment), value in self._measure(trainer, due).items()
                ]
                trainer.network.train()
                trainer.rule.train()

        return measure

    def take_new(self) -> list[DiagnosticValue | StepDiagnosticValue]:
        """Return the values measured since the last call."""
        between, within = self._taken
        values: list[DiagnosticValue | StepDiagnosticValue] = []
        values += self.progress.diagnostics[between:]
        values += self.progress.step_diagnostics[within:]
        self._taken = (len(self.progress.diagnostics), len(self.progress.step_diagnostics))
        return values

    def _measure(self, trainer: Trainer, due: Mapping[str, type[Diagnostic]]) -> Values:
        if not due:
            return {}
        trainer.network.eval()
        trainer.rule.eval()
        values: Values = {}
        batches: dict[int, Batch] = {}
        for name, kind in due.items():
            if name in self._failed:
                continue
            size = self.wanted.examples_of.get(name, self.wanted.examples)
            if size not in batches:
                batches[size] = Batch(*next(trainer.data.train_slices(size)), self.criterion)
            batch = batches[size]
            try:
                measured = kind().measure(trainer.rule, batch)
                values |= {(name, segment): _number(value) for segment, value in measured.items()}
            except (Exception, SystemExit) as error:
                if not _is_its_own(error):
                    raise
                self._leave_out(name, error, trainer.ranks.world_size)
        return values

    def _leave_out(self, name: str, error: BaseException, world_size: int) -> None:
        origin = self.registry.origins.get(("diagnostic", name), "no plugin")
        message = f"diagnostic '{name}' of {origin} failed: {type(error).__name__}: {first_line(error)}"
        if world_size > 1:  # the other ranks may wait for this one in the middle of the measurement
            raise PluginError(message) from error
        self._failed.add(name)
        self.progress.remarks.append(f"{message}; it was left out from here on")
        logger.warning("%s; it is left out, the run goes on", message)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _is_its_own(error: BaseException) -> bool:
    """Return False for an error that ends the run whoever met it first: divergence, a spent budget, no memory."""
    if isinstance(
        error, ControlFlowError | IncompatibleError | SingularMapError | MemoryError | torch.OutOfMemoryError
    ):
        return False
    return not (isinstance(error, Exception) and is_allocation_failure(error))
