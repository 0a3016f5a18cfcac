"""Charts of a study as Vega-Lite specs: error and correlations over iterations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchsuite.results.curves import thin
from benchsuite.results.model import BASELINE_RULE, CurvePoint
from benchsuite_leaderboard.charts.vega import BASELINE_COLOR, DASHES, PALETTE, Chart, Series, frame_size
from benchsuite_leaderboard.study_tables import StudyTable


def study_series(table: StudyTable) -> dict[str, Series]:
    """Assign each row, by its label, a colour from its place in the study; the baseline has the text's colour."""
    series: dict[str, Series] = {}
    others = 0
    for row in table.rows:
        is_baseline = row.rule == BASELINE_RULE
        color = BASELINE_COLOR if is_baseline else PALETTE[others % len(PALETTE)]
        dash = DASHES[1] if is_baseline else DASHES[others // len(PALETTE) % len(DASHES)]
        others += not is_baseline
        series[row.label] = Series(len(series), row.label, color, dash)
    return series


def error_chart(table: StudyTable, budget: int) -> Chart | None:
    """Draw log10 of the squared error over iterations: mean line and smallest-to-largest band per row.

    Args:
        table: the rows.
        budget: number of points in all curves together; longer curves are thinned out evenly.

    Returns:
        None if no row has a curve.
    """
    curves = {row.label: row.error_curve for row in table.rows if row.error_curve}
    if not curves:
        return None
    spec = _spec(table, curves, budget, "log₁₀ ‖E‖²", height=320)
    return Chart(f"error-{table.study_id}", "Error over iterations", spec)


def correlation_charts(table: StudyTable, budget: int) -> list[Chart]:
    """Draw the correlation of W and R over iterations, one small chart per layer on one scale; arguments as above."""
    charts = []
    by_layer = [
        {row.label: row.correlation_curves[i] for row in table.rows if len(row.correlation_curves) > i}
        for i in range(table.layers)
    ]
    drawn = [{label: curve for label, curve in curves.items() if curve} for curves in by_layer]
    lowest = min((p.low for curves in drawn for curve in curves.values() for p in curve), default=0.0)
    domain = [min(0.0, math.floor(10 * lowest) / 10), 1.0]
    for layer, curves in enumerate(drawn, start=1):
        if curves:
            spec = _spec(table, curves, budget // table.layers, "correlation", height=170, domain=domain)
            charts.append(Chart(f"correlation-{table.study_id}-{layer}", f"W{layer} and R{layer}ᵀ", spec))
    return charts


def _spec(
    table: StudyTable,
    curves: dict[str, tuple[CurvePoint, ...]],
    budget: int,
    title: str,
    height: int,
    domain: list[float] | None = None,
) -> dict[str, Any]:
    series = study_series(table)
    most = max(4, min(200, budget // len(curves)))
    values = [v for label, curve in curves.items() for v in _values(label, thin(curve, most))]
    scale: dict[str, Any] = {"zero": False} if domain is None else {"domain": domain}
    along = {"domain": [0, table.spec["iterations"]], "nice": False}
    labels = list(series)
    color_scale = {"domain": labels, "range": [series[label].color for label in labels]}
    dash_scale = {"domain": labels, "range": [series[label].dash for label in labels]}
    return {
        **frame_size(height),
        "data": {"values": values},
        "encoding": {
            "x": {"field": "i", "type": "quantitative", "title": "Iteration", "scale": along},
            "color": {"field": "label", "type": "nominal", "legend": None, "scale": color_scale},
        },
        "layer": [
            {
                "mark": {"type": "area", "opacity": 0.16},
                "encoding": {
                    "y": {"field": "l", "type": "quantitative", "scale": scale},
                    "y2": {"field": "h"},
                },
            },
            {
                "mark": {"type": "line", "strokeWidth": 2},
                "encoding": {
                    "y": {"field": "m", "type": "quantitative", "scale": scale, "title": title},
                    "strokeDash": {"field": "label", "type": "nominal", "legend": None, "scale": dash_scale},
                    "tooltip": [
                        {"field": "label", "title": "rule", "type": "nominal"},
                        {"field": "i", "title": "iteration", "type": "quantitative"},
                        {"field": "m", "title": f"mean {title}", "type": "quantitative"},
                        {"field": "l", "title": "smallest", "type": "quantitative"},
                        {"field": "h", "title": "largest", "type": "quantitative"},
                    ],
                },
            },
        ],
    }


def _values(label: str, points: Sequence[CurvePoint]) -> list[dict[str, Any]]:
    # Four digits: more than a line on a screen can show.
    return [
        {
            "label": label,
            "i": p.epoch,
            **{k: float(f"{v:.4g}") for k, v in (("m", p.mean), ("l", p.low), ("h", p.high))},
        }
        for p in points
    ]
