"""Costs of rows, from timing records alone: training logs tell of whatever else the machine did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from statistics import median

from benchsuite.records.timing import TimedRow, TimingRecord
from benchsuite.records.tuning import TuningRecord
from benchsuite.results.grouping import conditions
from benchsuite.results.model import BASELINE_RULE, Cost
from benchsuite.results.row_records import RowRecords
from benchsuite.specs.models.track import RunSpec
from benchsuite.specs.models.tuning import CONFIG


@dataclass(frozen=True)
class RelativeTime:
    """Step times relative to the baseline's, round by round."""

    median: float
    low: float
    """The smallest ratio of a round."""
    high: float


class Timings:
    """The usable rows of timing records, by settings and machine; those of busy machines are left out.

    Args:
        records: timing records; of several for the same settings and machine, the one that ended last counts.
        tunings: records of tunings, which say what was searched for tuned rows.

    """

    def __init__(self, records: Iterable[TimingRecord] = (), tunings: Iterable[TuningRecord] = ()) -> None:
        self._rows: dict[tuple[str, str, str], tuple[TimingRecord, TimedRow]] = {}
        self._scales = {tuning.tuning_id: _scales(tuning) for tuning in tunings}
        for record in sorted(records, key=lambda each: (each.ended_at, each.timing_id)):
            if record.busy:
                continue
            for row in record.rows:
                if row.step_times_ms:
                    machine = record.hardware.hardware_class, record.hardware.precision
                    self._rows[_timed_settings(row.spec), *machine] = record, row

    def of(self, row_records: RowRecords) -> tuple[TimingRecord, TimedRow] | None:
        """Return the timing of a row's settings on its machine.

        For a tuned row without one, that of the same rule in which only searched settings differ that change no work.
        """
        if not self._rows:
            return None
        first = row_records.first
        machine = first.hardware.hardware_class, first.hardware.precision
        if found := self._rows.get((_timed_settings(first.spec), *machine)):
            return found
        scales = self._scales.get(first.spec.rule.tuned_by) or set()
        wanted = _timed_settings(first.spec, scales)
        alike = [
            (record, row)
            for (_, *timed_machine), (record, row) in self._rows.items()
            if scales and (*timed_machine,) == machine and row.spec.rule.name == first.spec.rule.name
            if _timed_settings(row.spec, scales) == wanted
        ]
        return max(alike, key=lambda each: each[0].ended_at, default=None)


def _scales(tuning: TuningRecord) -> Set[str]:
    """Return the searched hyperparameters that leave the work of a step as it is."""
    searched = (each.field for each in tuning.spec.space if not each.changes_work)
    return {field.removeprefix(CONFIG) for field in searched if field.startswith(CONFIG)}


def _timed_settings(spec: RunSpec, scales: Set[str] = frozenset()) -> str:
    """Return the settings on which a step's time depends: all but the learning rate and those in ``scales``."""
    config = {name: value for name, value in spec.rule.config.items() if name not in scales}
    rule = spec.rule.model_copy(update={"config": config})
    optimizer = spec.protocol.optimizer.model_copy(update={"learning_rate": 1.0})
    protocol = spec.protocol.model_copy(update={"optimizer": optimizer})
    return conditions(spec.model_copy(update={"protocol": protocol, "rule": rule}))


def relative_times(record: TimingRecord, row: TimedRow) -> RelativeTime | None:
    """Return a row's step times relative to the baseline's in the same rounds; None without a baseline to divide by."""
    baseline = _baseline_of(record.rows, row)
    if baseline is None or not row.step_times_ms:
        return None
    ratios = [own / other for own, other in zip(row.step_times_ms, baseline.step_times_ms, strict=True)]
    return RelativeTime(median(ratios), min(ratios), max(ratios))


def _baseline_of(rows: Sequence[TimedRow], row: TimedRow) -> TimedRow | None:
    """Return the baseline's row to divide by: of the same batch size, if possible of the same protocol."""
    found = [
        other
        for other in rows
        if other.spec.rule.name == BASELINE_RULE
        and other.step_times_ms
        and other.spec.protocol.batch_size == row.spec.protocol.batch_size
    ]
    return min(
        found,
        key=lambda other: (other is not row, other.spec.protocol != row.spec.protocol, other.spec.rule.title != ""),
        default=None,
    )


def cost_of(row_records: RowRecords, timings: Timings) -> Cost:
    """Return a row's time per step, relative to the baseline's in the same measurement, or why there is none."""
    found = timings.of(row_records)
    if found is None:
        track, machine = row_records.first.spec.track, row_records.first.hardware.hardware_class
        return Cost(None, f"not timed on an idle {machine}; `benchsuite time {track}` does it")
    record, row = found
    own, ratios = row.median_ms, relative_times(record, row)
    steps = row.steps_per_epoch * row.spec.protocol.epochs
    total = None if own is None else own * steps / 1000
    if ratios is None:
        return Cost(None, f"no time of {BASELINE_RULE} in the same measurement", own, training_time_s=total)
    remark = (
        f"{own:.4g} ms per step, median of {record.rounds} rounds in turns with {BASELINE_RULE} on an idle device; "
        f"{ratios.low:.2f} to {ratios.high:.2f} times its time over the rounds"
    )
    return Cost(ratios.median, remark, own, ratios.low, ratios.high, total)
