"""Costs of rows, from timing records alone: training logs tell of whatever else the machine did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchsuite.records.timing import TimedRow, TimingRecord
from benchsuite.results.grouping import conditions
from benchsuite.results.model import BASELINE_RULE, Cost
from benchsuite.results.row_records import RowRecords
from benchsuite.specs.models.track import RunSpec


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

    """

    def __init__(self, records: Iterable[TimingRecord] = ()) -> None:
        self._rows: dict[tuple[str, str, str], tuple[TimingRecord, TimedRow]] = {}
        for record in sorted(records, key=lambda each: (each.ended_at, each.timing_id)):
            if record.busy:
                continue
            for row in record.rows:
                if row.step_times_ms:
                    machine = record.hardware.hardware_class, record.hardware.precision
                    self._rows[_timed_settings(row.spec), *machine] = record, row

    def of(self, row_records: RowRecords) -> tuple[TimingRecord, TimedRow] | None:
        """Return the timing of a row's settings on its machine."""
        first = row_records.first
        machine = first.hardware.hardware_class, first.hardware.precision
        return self._rows.get((_timed_settings(first.spec), *machine)) if self._rows else None


def _timed_settings(spec: RunSpec) -> str:
    """Return the settings on which a step's time depends: all but the learning rate, which a tuning changes."""
    optimizer = spec.protocol.optimizer.model_copy(update={"learning_rate": 1.0})
    protocol = spec.protocol.model_copy(update={"optimizer": optimizer})
    return conditions(spec.model_copy(update={"protocol": protocol}))


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
