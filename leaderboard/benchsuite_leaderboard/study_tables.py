"""Tables of studies, for pages and the terminal: one row per rule and setting."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.records.experiment import ExperimentRecord, Trajectory
from benchsuite.results.curves import mean_curve
from benchsuite.results.model import CurvePoint, Estimate
from benchsuite.results.statistics import estimate


@dataclass(frozen=True)
class TrajectoryRow:
    """One rule with its setting, over the seeds.

    Means and curves are over completed seeds; a curve's points have iterations where a track's have epochs.
    """

    label: str
    rule: str
    feedback_rate: float | None
    total: int
    completed: int
    failures: tuple[str, ...]
    """Status, reason and seeds of runs that did not complete; equal ones are merged."""
    error: Estimate | None
    """Estimate of log10 ‖E‖² after the last iteration."""
    correlations: tuple[Estimate | None, ...]
    """Estimate of each layer's correlation after the last iteration; None if a completed seed has none."""
    error_curve: tuple[CurvePoint, ...]
    """Curve of log10 ‖E‖²."""
    correlation_curves: tuple[tuple[CurvePoint, ...], ...]


@dataclass(frozen=True)
class StudyTable:
    """One study with its settings."""

    study_id: str
    name: str
    title: str
    description: str
    source: str
    command: str
    spec: dict[str, Any]
    layers: int
    rows: tuple[TrajectoryRow, ...]


def summarize_studies(records: Iterable[ExperimentRecord]) -> list[StudyTable]:
    """Return one table per study, by name and then by id; of several records of one, the one that ended last."""
    latest: dict[str, ExperimentRecord] = {}
    for record in records:
        known = latest.get(record.experiment_id)
        if known is None or (record.ended_at, record.result_key) > (known.ended_at, known.result_key):
            latest[record.experiment_id] = record
    tables = (_table(record) for record in latest.values())
    return sorted(tables, key=lambda t: (t.name, t.study_id))


def _table(record: ExperimentRecord) -> StudyTable:
    arms: dict[tuple[str, float | None], list[Trajectory]] = {}
    for trajectory in record.trajectories:
        arms.setdefault((trajectory.rule, trajectory.feedback_rate), []).append(trajectory)
    return StudyTable(
        study_id=record.experiment_id,
        name=record.spec.name,
        title=record.spec.shown_as,
        description=record.spec.description,
        source=record.spec.source,
        command=record.command,
        spec=record.spec.model_dump(mode="json", exclude={"name", "title", "description", "source"}),
        layers=len(record.spec.dimensions) - 1,
        rows=tuple(_row(rule, rate, runs, record.iterations) for (rule, rate), runs in arms.items()),
    )


def _row(rule: str, rate: float | None, runs: Sequence[Trajectory], iterations: Sequence[int]) -> TrajectoryRow:
    done = [run for run in runs if run.status == "completed"]
    finals = [run.final_log10_squared_error for run in done]
    layers = len(runs[0].correlations)
    return TrajectoryRow(
        label=trajectory_label(rule, rate),
        rule=rule,
        feedback_rate=rate,
        total=len(runs),
        completed=len(done),
        failures=_failures(runs),
        error=_complete_estimate(finals),
        correlations=tuple(_complete_estimate([run.final_correlations[i] for run in done]) for i in range(layers)),
        error_curve=mean_curve([_log_errors(run, iterations) for run in done]),
        correlation_curves=tuple(
            mean_curve([_defined(run.correlations[i], iterations) for run in done]) for i in range(layers)
        ),
    )


def _failures(runs: Sequence[Trajectory]) -> tuple[str, ...]:
    found: dict[str, list[str]] = {}
    for run in runs:
        if run.status != "completed":
            found.setdefault(f"{run.status}: {run.reason}", []).append(str(run.seed))
    return tuple(f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)} {what}" for what, seeds in found.items())


def trajectory_label(rule: str, feedback_rate: float | None) -> str:
    """Return a row's label: the rule and, if it has one, its ε."""
    return rule if feedback_rate is None else f"{rule}, ε = {feedback_rate:g}"


def _complete_estimate(values: Sequence[float | None]) -> Estimate | None:
    """Summarise values only if every seed has one: a mean never skips missing values."""
    found = [value for value in values if value is not None]
    return estimate(found) if len(found) == len(values) else None


def _log_errors(run: Trajectory, iterations: Sequence[int]) -> dict[int, float]:
    # Zero has no logarithm: a curve that reaches it ends there.
    return {i: math.log10(e) for i, e in zip(iterations, run.squared_error, strict=False) if e > 0}


def _defined(curve: Sequence[float | None], iterations: Sequence[int]) -> dict[int, float]:
    return {i: value for i, value in zip(iterations, curve, strict=False) if value is not None}
