"""Schedule of a run's diagnostics: between epochs, and between steps if the spec asks for it; never on the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from benchsuite.credit.rule import Batch
from benchsuite.execution.record_building import Progress
from benchsuite.networks.criterion import criterion_of
from benchsuite.records.model import DiagnosticValue, StepDiagnosticValue
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.clock import Clock
from benchsuite.training.trainer import Trainer

if TYPE_CHECKING:
    from benchsuite.diagnostics.contract import Diagnostic

Values = dict[tuple[str, str | None], float | None]
"""Measured values, by diagnostic and segment."""


class DiagnosticsSchedule:
    """Measurement of the diagnostics in a run's spec; values are added to the run's progress."""

    def __init__(
        self, spec: RunSpec, find: Callable[[str], type[Diagnostic]], clock: Clock, progress: Progress
    ) -> None:
        self.wanted = spec.diagnostics
        self.criterion = criterion_of(spec.protocol.loss)
        self.find = find
        self.clock = clock
        self.progress = progress

    def _due(self, at_an_end: bool) -> dict[str, type[Diagnostic]]:
        kinds = {name: self.find(name) for name in self.wanted.names}
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

    def _measure(self, trainer: Trainer, due: Mapping[str, type[Diagnostic]]) -> Values:
        if not due:
            return {}
        inputs, targets = next(trainer.data.train_slices(self.wanted.examples))
        batch = Batch(inputs, targets, self.criterion)
        trainer.network.eval()
        trainer.rule.eval()
        return {
            (name, segment): value
            for name, kind in due.items()
            for segment, value in kind().measure(trainer.rule, batch).items()
        }
