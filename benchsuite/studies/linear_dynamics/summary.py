"""Table and figures of a study of kind ``linear_dynamics``: means over completed seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchsuite.results.curves import mean_curve
from benchsuite.results.model import BASELINE_RULE, CurvePoint, Estimate
from benchsuite.results.statistics import estimate
from benchsuite.results.studies import StudyChart, StudyColumn, StudyFigure, StudyRow, StudySummary
from benchsuite.studies.linear_dynamics.result import LinearDynamicsResult, Trajectory
from benchsuite.studies.linear_dynamics.spec import LinearDynamicsSpec

Arms = dict[str, list[Trajectory]]
Curves = dict[str, tuple[CurvePoint, ...]]


def summary_of(spec: LinearDynamicsSpec, result: LinearDynamicsResult) -> StudySummary:
    """Return one row per arm; of several seeds only those that completed enter means and curves."""
    arms: Arms = {}
    for trajectory in result.trajectories:
        arms.setdefault(trajectory.label, []).append(trajectory)
    layers = len(spec.dimensions) - 1
    note = "at the end, mean ± sd"
    return StudySummary(
        conditions=(
            f"{'–'.join(map(str, spec.dimensions))} linear units, inputs the unit vectors, {spec.iterations:,} "
            f"iterations of Euler's scheme with step {spec.step_size:g}, {len(spec.seeds)} "
            f"seed{'' if len(spec.seeds) == 1 else 's'}."
        ),
        columns=(
            StudyColumn("log₁₀ ‖E‖²", note),
            *(StudyColumn(f"corr(W{layer}, R{layer}ᵀ)", note) for layer in range(1, layers + 1)),
        ),
        rows=tuple(_row(label, runs, layers) for label, runs in arms.items()),
        figures=tuple(_figures(spec, _completed(arms), result.iterations)),
        note=f"after {spec.iterations:,} iterations; the error is ‖E‖²; mean ± sd over completed seeds",
    )


def _row(label: str, runs: Sequence[Trajectory], layers: int) -> StudyRow:
    done = [run for run in runs if run.status == "completed"]
    followed = len(runs[0].correlations)
    correlations = [_complete_estimate([run.final_correlations[i] for run in done]) for i in range(followed)]
    return StudyRow(
        label=label,
        total=len(runs),
        completed=len(done),
        values=(
            _complete_estimate([run.final_log10_squared_error for run in done]),
            *(correlations or [None] * layers),
        ),
        failures=_failures(runs),
        is_baseline=runs[0].rule == BASELINE_RULE,
    )


def _failures(runs: Sequence[Trajectory]) -> tuple[str, ...]:
    """Return status, reason and seeds of runs that did not complete; equal ones are merged."""
    found: dict[str, list[str]] = {}
    for run in runs:
        if run.status != "completed":
            found.setdefault(f"{run.status}: {run.reason}", []).append(str(run.seed))
    return tuple(f"seed{'s' if len(seeds) > 1 else ''} {', '.join(seeds)} {what}" for what, seeds in found.items())


def _complete_estimate(values: Sequence[float | None]) -> Estimate | None:
    """Summarise values only if every seed has one: a mean never skips missing values."""
    found = [value for value in values if value is not None]
    return estimate(found) if len(found) == len(values) else None


def _completed(arms: Arms) -> Arms:
    done = {label: [run for run in runs if run.status == "completed"] for label, runs in arms.items()}
    return {label: runs for label, runs in done.items() if runs}


def _figures(spec: LinearDynamicsSpec, arms: Arms, iterations: Sequence[int]) -> list[StudyFigure]:
    errors = _drawn({label: mean_curve([_log_errors(run, iterations) for run in runs]) for label, runs in arms.items()})
    figures = []
    if errors:
        described = "Logarithm of the squared error over iterations, one line per row of the table above"
        chart = StudyChart("Error over iterations", "log₁₀ ‖E‖²", errors, described)
        caption = (
            "E is what the product of the weights still lacks of its target. Line: mean over the completed seeds; "
            "band: from the smallest to the largest."
        )
        figures.append(StudyFigure(chart.title, caption, (chart,), "iteration", spec.iterations))
    if charts := _correlation_charts(spec, arms, iterations):
        caption = (
            "Over iterations, over all entries of a layer. W1 is at the input; R1 passes nothing on and is followed "
            "all the same."
        )
        title = "Correlation of forward and feedback weights"
        figures.append(StudyFigure(title, caption, charts, "iteration", spec.iterations))
    return figures


def _correlation_charts(spec: LinearDynamicsSpec, arms: Arms, iterations: Sequence[int]) -> tuple[StudyChart, ...]:
    """Return one chart per layer, all on one scale."""
    by_layer: dict[int, Curves] = {}
    for layer in range(1, len(spec.dimensions)):
        followed = {label: runs for label, runs in arms.items() if len(runs[0].correlations) >= layer}
        curves = _drawn(
            {
                label: mean_curve([_defined(run.correlations[layer - 1], iterations) for run in runs])
                for label, runs in followed.items()
            }
        )
        if curves:
            by_layer[layer] = curves
    lows = [point.low for curves in by_layer.values() for curve in curves.values() for point in curve]
    y_range = min(0.0, math.floor(10 * min(lows, default=0.0)) / 10), 1.0
    titles = {layer: f"W{layer} and R{layer}ᵀ" for layer in by_layer}
    return tuple(
        StudyChart(
            titles[layer], "correlation", curves, f"Correlation of {titles[layer]} over iterations", y_range=y_range
        )
        for layer, curves in by_layer.items()
    )


def _drawn(curves: Curves) -> Curves:
    return {label: curve for label, curve in curves.items() if curve}


def _log_errors(run: Trajectory, iterations: Sequence[int]) -> dict[int, float]:
    # Zero has no logarithm: a curve that reaches it ends there.
    return {i: math.log10(e) for i, e in zip(iterations, run.squared_error, strict=False) if e > 0}


def _defined(curve: Sequence[float | None], iterations: Sequence[int]) -> dict[int, float]:
    return {i: value for i, value in zip(iterations, curve, strict=False) if value is not None}
