"""Map a record's numbers to MLflow's metrics, as plain data. Does not import MLflow.

Errors are per cent here, since people read them in MLflow's pages; in records they are fractions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from benchsuite.records.model import DiagnosticValue, EpochMetrics, RunRecord, SetMetrics, StepDiagnosticValue

MAX_KEY_CHARACTERS = 250

FINAL_ERROR = "final/test_error_percent"
"""The result of a completed run."""

FEW_CLASSES = 10
"""With so many classes or fewer, the top-5 error says little and is left out."""

_NOT_IN_A_KEY = re.compile(r"[^\w\-. :]", re.ASCII)


class MetricPoint(NamedTuple):
    """One number of a curve."""

    key: str
    value: float
    step: int
    """Number of finished epochs."""
    timestamp_ms: int

    @property
    def key_and_step(self) -> tuple[str, int]:
        """Return (key, step), which is unique within a run."""
        return self.key, self.step


def milliseconds(moment: datetime) -> int:
    """Return a moment in MLflow's format, milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def clean_key(*parts: str) -> str:
    """Join parts with ``/`` to a key that MLflow accepts; other characters become ``_``."""
    cleaned = (_NOT_IN_A_KEY.sub("_", part).strip(" .") or "_" for part in parts)
    return "/".join(cleaned)[:MAX_KEY_CHARACTERS]


def epoch_points(metrics: EpochMetrics, timestamp_ms: int, classes: int | None = None) -> Iterator[MetricPoint]:
    """Yield the numbers of one epoch.

    Args:
        metrics: of the epoch.
        timestamp_ms: time of their measurement.
        classes: number of classes; top-5 errors are left out if it is small, or unknown as in a run that is training.

    """
    few = classes is None or classes <= FEW_CLASSES
    values: dict[str, float | None] = {
        "running/loss": metrics.running_loss,
        "running/error_percent": _percent(metrics.running_error),
        "running/learning_rate": metrics.learning_rate,
        "time/train_time_s": metrics.train_time_s,
        "time/images_per_s": metrics.images_per_s,
        **_set_values("train/", metrics.train, few),
        **_set_values("test/", metrics.test, few),
        **_set_values("validation/", metrics.validation, few),
    }
    for key, value in values.items():
        if value is not None:
            yield MetricPoint(key, value, metrics.epoch, timestamp_ms)


def _set_values(prefix: str, measured: SetMetrics | None, few: bool) -> dict[str, float | None]:
    if measured is None:
        return {}
    return {
        f"{prefix}loss": measured.loss,
        f"{prefix}error_percent": _percent(measured.error),
        f"{prefix}top5_error_percent": None if few else _percent(measured.top5_error),
    }


def _percent(fraction: float | None) -> float | None:
    # Four decimals: MLflow's tables show all that there are, and one example of a million is a ten-thousandth.
    return None if fraction is None else round(100 * fraction, 4)


def diagnostic_points(
    values: Iterable[DiagnosticValue | StepDiagnosticValue], timestamp_ms: int
) -> Iterator[MetricPoint]:
    """Yield the defined values of diagnostics, all with one time."""
    for found in values:
        if found.value is None:
            continue
        if isinstance(found, StepDiagnosticValue):
            yield MetricPoint(_diagnostic_key(found, "alignment_by_step"), found.value, found.step, timestamp_ms)
        else:
            yield MetricPoint(_diagnostic_key(found), found.value, found.epoch, timestamp_ms)


def record_points(record: RunRecord) -> Iterator[MetricPoint]:
    """Yield every number of a record, each key and step once; undefined values are omitted.

    A record has durations but no time of day per epoch, so an epoch's timestamp is the start plus the training time.
    """
    start_ms, end_ms = milliseconds(record.started_at), milliseconds(record.ended_at)
    timestamps = {0: start_ms}
    trained_s = 0.0
    for metrics in record.epochs:
        trained_s += metrics.train_time_s
        timestamps[metrics.epoch] = min(round(start_ms + trained_s * 1000), max(start_ms, end_ms))
    seen: set[tuple[str, int]] = set()
    for point in _all_points(record, timestamps, end_ms):
        if point.key_and_step not in seen:
            seen.add(point.key_and_step)
            yield point


def _all_points(record: RunRecord, timestamps: dict[int, int], end_ms: int) -> Iterator[MetricPoint]:
    classes = record.data.classes if record.data else None
    for metrics in record.epochs:
        yield from epoch_points(metrics, timestamps[metrics.epoch], classes)
    for value in record.diagnostics:
        yield from diagnostic_points([value], timestamps.get(value.epoch, end_ms))
    yield from diagnostic_points(record.step_diagnostics, end_ms)
    # At step 0, because MLflow draws a metric as bars only if it has that step alone.
    for key, number in _finals(record, classes).items():
        if number is not None:
            yield MetricPoint(key, number, 0, end_ms)


def _finals(record: RunRecord, classes: int | None) -> dict[str, float | None]:
    """Return the result of a completed run, and the costs of any."""
    few = classes is None or classes <= FEW_CLASSES
    timing = record.timing
    return {
        **_set_values("final/test_", record.final_test, few),
        **_set_values("final/train_", record.final_train, few),
        "final/train_time_s": timing.train_time_s,
        "final/train_processor_s": timing.train_processor_s,
        "final/evaluation_time_s": timing.evaluation_time_s,
        "final/diagnostics_time_s": timing.diagnostics_time_s,
        "final/setup_time_s": timing.setup_time_s,
        "final/compile_time_s": timing.compile_time_s,
        "final/images_per_s": timing.images_per_s,
        "final/step_time_ms": timing.step_time_ms,
        "final/peak_memory_mib": timing.peak_memory_mib,
        "final/train_energy_j": timing.train_energy_j,
    }


def diagnostic_key(diagnostic: str, segment: str | None, prefix: str = "alignment") -> str:
    """Return the metric of a diagnostic at a segment, or of the whole network."""
    return clean_key(prefix, diagnostic, "network" if segment is None else segment)


def _diagnostic_key(value: DiagnosticValue | StepDiagnosticValue, prefix: str = "alignment") -> str:
    return diagnostic_key(value.diagnostic, value.segment, prefix)
