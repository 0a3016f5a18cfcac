"""Convert records to rows of plain values, and to pandas data frames if pandas is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from benchsuite.errors import BenchsuiteError, nearest
from benchsuite.records.model import EpochMetrics, RunRecord
from benchsuite.results.curves import measured_values
from benchsuite.results.final import final_error, final_top5_error, final_train_error

if TYPE_CHECKING:
    import pandas

Unit = Literal["runs", "epochs", "diagnostics"]
"""One row per run, per epoch of a run, or per value of a diagnostic."""

IDENTITY: Mapping[str, Callable[[RunRecord], Any]] = {
    "run_id": lambda record: record.run_id,
    "track": lambda record: record.spec.track,
    "tier": lambda record: record.spec.tier,
    "rule": lambda record: record.spec.rule.name,
    "variant": lambda record: record.spec.rule.title or None,
    "seed": lambda record: record.spec.seed,
}
"""First columns of all rows."""

RUN: Mapping[str, Callable[[RunRecord], Any]] = {
    **IDENTITY,
    "config": lambda record: json.dumps(record.spec.rule.config, sort_keys=True, default=str),
    "status": lambda record: record.status,
    "reason": lambda record: record.reason,
    "test_error": final_error,
    "train_error": final_train_error,
    "top5_error": final_top5_error,
    "epochs": lambda record: len(record.epochs),
    "train_time_s": lambda record: record.timing.train_time_s,
    "step_time_ms": lambda record: record.timing.step_time_ms,
    "images_per_s": lambda record: record.timing.images_per_s,
    "peak_memory_mib": lambda record: record.timing.peak_memory_mib,
    "train_energy_j": lambda record: record.timing.train_energy_j,
    "hardware_class": lambda record: record.hardware.hardware_class,
    "device": lambda record: record.hardware.device,
    "precision": lambda record: record.hardware.precision,
    "dataset": lambda record: record.spec.dataset.name,
    "fingerprint": lambda record: record.data and record.data.fingerprint,
    "architecture": lambda record: record.spec.architecture.name,
    "parameters": lambda record: record.network and record.network.parameters,
    "benchsuite": lambda record: record.environment.benchsuite,
    "torch": lambda record: record.environment.torch,
    "rule_source_hash": lambda record: record.environment.rule_source_hash,
    "ended_at": lambda record: record.ended_at,
    "command": lambda record: record.command,
}
"""Columns of a row per run; final errors are those in the tables."""

EPOCH: Mapping[str, Callable[[EpochMetrics], Any]] = {
    "epoch": lambda metrics: metrics.epoch,
    "running_loss": lambda metrics: metrics.running_loss,
    "running_error": lambda metrics: metrics.running_error,
    "train_loss": lambda metrics: metrics.train and metrics.train.loss,
    "train_error": lambda metrics: metrics.train and metrics.train.error,
    "test_loss": lambda metrics: metrics.test and metrics.test.loss,
    "test_error": lambda metrics: metrics.test and metrics.test.error,
    "validation_loss": lambda metrics: metrics.validation and metrics.validation.loss,
    "validation_error": lambda metrics: metrics.validation and metrics.validation.error,
    "train_time_s": lambda metrics: metrics.train_time_s,
    "images_per_s": lambda metrics: metrics.images_per_s,
}
"""Columns of a row per epoch, after those of ``IDENTITY``."""

DIAGNOSTIC = ("diagnostic", "segment", "epoch", "value")
"""Columns of a row per diagnostic value, after those of ``IDENTITY``; epochs are fractional between steps."""

COLUMNS: Mapping[Unit, tuple[str, ...]] = {
    "runs": tuple(RUN),
    "epochs": (*IDENTITY, *EPOCH),
    "diagnostics": (*IDENTITY, *DIAGNOSTIC),
}


def to_frame(records: Iterable[RunRecord], per: Unit = "runs") -> pandas.DataFrame:
    """Return records as a pandas data frame.

    Raises:
        BenchsuiteError: if pandas is not installed, or ``per`` is none of the units.

    """
    try:
        import pandas
    except ImportError as error:
        message = "to_frame needs pandas, which is not installed; run `pip install pandas`, or use .rows()"
        raise BenchsuiteError(message) from error
    rows = list(rows_of(records, per))
    return pandas.DataFrame.from_records(rows, columns=list(COLUMNS[per]))


def rows_of(records: Iterable[RunRecord], per: Unit = "runs") -> Iterator[dict[str, Any]]:
    """Yield records as mappings from column to value; errors are fractions from 0 to 1.

    Raises:
        BenchsuiteError: if ``per`` is none of the units.

    """
    if per not in COLUMNS:
        raise BenchsuiteError(f"no rows per '{per}'{nearest(per, COLUMNS)}; there are {', '.join(get_args(Unit))}")
    for record in records:
        match per:
            case "runs":
                yield {name: get(record) for name, get in RUN.items()}
            case "epochs":
                yield from _epochs(record)
            case "diagnostics":
                yield from _diagnostics(record)


def _epochs(record: RunRecord) -> Iterator[dict[str, Any]]:
    for metrics in record.epochs:
        yield _identity(record) | {name: get(metrics) for name, get in EPOCH.items()}


def _diagnostics(record: RunRecord) -> Iterator[dict[str, Any]]:
    for values in measured_values(record):
        yield _identity(record) | dict(zip(DIAGNOSTIC, values, strict=True))


def _identity(record: RunRecord) -> dict[str, Any]:
    return {name: get(record) for name, get in IDENTITY.items()}
