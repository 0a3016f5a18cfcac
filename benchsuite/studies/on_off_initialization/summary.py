"""Table and figure of a study of kind ``on_off_initialization``: a row per quantity, a column per width."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite.results.model import CurvePoint
from benchsuite.results.statistics import estimate
from benchsuite.results.studies import StudyChart, StudyColumn, StudyFigure, StudyRow, StudySummary
from benchsuite.studies.on_off_initialization.result import OnOffInitializationResult
from benchsuite.studies.on_off_initialization.spec import OnOffInitializationSpec

WORDS = {
    "angles": (
        "GEVB's angle to the gradient before training, in {layers} hidden layers of n vector units.",
        "Angle to the gradient",
        "degrees",
        "Eq. 15 takes weights as independent; ON and OFF units share gates, so angles of early layers are smaller.",
    ),
    "spectrum": (
        "One nonnegative layer W of n vector units before training, made of a normal matrix V of half its size.",
        "Eigenvalues",
        "size",
        "W has one eigenvalue far outside, from abs(V); pre-activations have nothing along its vector.",
    ),
}
DRAWN = {"spectrum": ("largest eigenvalue of W", "its estimate, √(2n/π)", "second largest eigenvalue of W")}


def summary_of(spec: OnOffInitializationSpec, result: OnOffInitializationResult) -> StudySummary:
    """Return one row per quantity, with the mean over seeds at each width."""
    conditions, title, unit, caption = WORDS[spec.quantity]
    by_row = {row: _by_width(spec, result, place) for place, row in enumerate(result.rows)}
    seeds = len(spec.seeds)
    drawn = {
        row: tuple(CurvePoint(width, sum(v) / len(v), min(v), max(v)) for width, v in values.items())
        for row, values in by_row.items()
        if row in DRAWN.get(spec.quantity, result.rows)
    }
    chart = StudyChart(title, unit, drawn, f"{title} over the number of units n, one line per row of the table above")
    return StudySummary(
        conditions=f"{conditions.format(layers=spec.hidden_layers)} {seeds} seed{'' if seeds == 1 else 's'}.",
        columns=tuple(StudyColumn(f"n = {width}", "mean ± sd") for width in spec.widths),
        rows=tuple(
            StudyRow(row, seeds, seeds, tuple(estimate(v) for v in values.values())) for row, values in by_row.items()
        ),
        figures=(StudyFigure(title, caption, (chart,), "units n", float(spec.widths[-1])),),
        note="mean ± sd over seeds",
    )


def _by_width(
    spec: OnOffInitializationSpec, result: OnOffInitializationResult, place: int
) -> dict[int, Sequence[float]]:
    return {width: [n.values[place] for n in result.networks if n.width == width] for width in spec.widths}
