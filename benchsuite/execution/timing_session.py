"""Set up the measurement of a track's step times, and make its record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchsuite.errors import EmptySelectionError, Problem, SpecError
from benchsuite.execution.environment import environment_of, versions
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.preflight import check_runs
from benchsuite.execution.step_timing import Measurement, Stretches, measure_steps
from benchsuite.execution.threads import threads_of_run
from benchsuite.records.timing import TimedRow, TimingRecord, timing_id_of
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.training.device import resolve_hardware

if TYPE_CHECKING:
    from benchsuite.execution.compatibility import RunWithShapes
    from benchsuite.execution.planned_run import RefusedPair


@dataclass(frozen=True)
class TimingSession:
    """A track's rules, checked and ready to be timed.

    Attributes:
        runs: one per rule, all of seed 0.
        refused: pairs of rule and network that cannot work.
        registry: provides rules and plugins' architectures.
        loader: has loaded the track's data.

    """

    runs: tuple[RunWithShapes, ...]
    refused: tuple[RefusedPair, ...]
    registry: Registry
    loader: DataLoader

    @property
    def device(self) -> torch.device:
        """Return the device that is measured."""
        return torch.device(self.runs[0].selected.spec.hardware.device)

    def measure(self, seconds: float, on_round: Callable[[int], None]) -> Measurement:
        """Measure all rules; see ``measure_steps``."""
        threads = torch.get_num_threads()
        if self.device.type == "cpu":  # as its runs are made
            torch.set_num_threads(threads_of_run(self.runs[0].selected.spec, self.runs[0].shapes, threads))
        try:
            return measure_steps(self.runs, self.registry, self.loader, seconds, on_round=on_round)
        finally:
            torch.set_num_threads(threads)

    def record_of(
        self, measured: Measurement, busy: str, other_cores: float, started: datetime, command: str
    ) -> TimingRecord:
        """Return the record of a measurement.

        Args:
            measured: every rule's times.
            busy: other use of the machine; empty if there was none.
            other_cores: cores that other processes used on average.
            started: when the measurement began.
            command: the command that repeats it.

        """
        spec = self.runs[0].selected.spec
        return TimingRecord(
            timing_id=timing_id_of([row.spec for row in measured.rows], measured.device.used.hardware_class),
            track=spec.track,
            tier=spec.tier,
            hardware=measured.device.used,
            environment=versions(),
            rounds=max(1, *(len(row.times_ms) for row in measured.rows)),
            rows=tuple(self._row(row) for row in measured.rows),
            busy=busy,
            other_cores=round(other_cores, 3),
            started_at=started,
            ended_at=datetime.now(UTC),
            command=command,
        )

    def _row(self, row: Stretches) -> TimedRow:
        return TimedRow(
            spec=row.spec,
            rule_source_hash=environment_of(self.registry, row.spec.rule.name, row.spec).rule_source_hash,
            steps_per_epoch=row.steps_per_epoch,
            steps_per_round=row.steps_per_round,
            step_times_ms=tuple(row.times_ms),
            phase_shares=row.phase_shares,
            prediction_us=row.prediction_us,
            reason=row.reason,
            step=row.step.step,
            step_reason=row.step.reason,
        )


def open_timing(selection: Selection, library: SpecLibrary, registry: Registry, data_root: Path) -> TimingSession:
    """Check a track's rules and load its data.

    Raises:
        SpecError: if a name or a value is wrong, or the target has several tracks.
        EmptySelectionError: if no rule can work in the track's network.
        DataError: if the data set is missing or damaged.
        HardwareError: if the hardware is not here, or is several devices.

    """
    selected = resolve(selection, library, registry, resolve_hardware)
    tracks = list(dict.fromkeys(run.spec.track for run in selected))
    if len(tracks) > 1:
        message = f"is a suite; a measurement is of one track: {', '.join(tracks)}"
        raise SpecError([Problem(message)], subject=selection.target)
    loader = DataLoader(data_root, registry)
    checked = check_runs(selected, registry, loader)
    if not checked.runs:
        raise EmptySelectionError("; ".join(map(str, checked.refused)) or f"no rule to time on {selection.target}")
    return TimingSession(checked.runs, checked.refused, registry, loader)
