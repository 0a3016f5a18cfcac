"""Charts of a study as Vega-Lite specs: lines with bands, one line per row of the study's table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.results.curves import thin
from benchsuite.results.model import CurvePoint
from benchsuite.results.studies import StudyChart, StudyFigure, StudySummary
from benchsuite_leaderboard.charts.vega import BASELINE_COLOR, DASHES, PALETTE, Chart, Series, frame_size
from benchsuite_leaderboard.study_tables import StudyTable

LARGE, SMALL = 320, 170
"""Heights of a chart alone and of one of several, in pixels."""


@dataclass(frozen=True)
class DrawnFigure:
    """A figure with its charts drawn, each with a description for people who do not see it."""

    title: str
    caption: str
    charts: tuple[tuple[Chart, str], ...]


def study_series(summary: StudySummary) -> dict[str, Series]:
    """Assign each row, by its label, a colour from its place in the study; the baseline has the text's colour."""
    series: dict[str, Series] = {}
    others = 0
    for row in summary.rows:
        color = BASELINE_COLOR if row.is_baseline else PALETTE[others % len(PALETTE)]
        dash = DASHES[1] if row.is_baseline else DASHES[others // len(PALETTE) % len(DASHES)]
        others += not row.is_baseline
        series[row.label] = Series(len(series), row.label, color, dash)
    return series


def study_figures(table: StudyTable, budget: int) -> list[DrawnFigure]:
    """Draw a study's figures: mean line and smallest-to-largest band per row.

    Args:
        table: the study.
        budget: number of points in all curves together; longer curves are thinned out evenly.

    """
    if table.summary is None:
        return []
    series = study_series(table.summary)
    figures = [figure for figure in table.summary.figures if any(map(_has_points, figure.charts))]
    return [
        _figure(figure, series, f"figure-{table.study_id}-{place}", budget // len(figures))
        for place, figure in enumerate(figures, start=1)
    ]


def _has_points(chart: StudyChart) -> bool:
    return any(chart.curves.values())


def _figure(figure: StudyFigure, series: Mapping[str, Series], name: str, budget: int) -> DrawnFigure:
    charts = [chart for chart in figure.charts if _has_points(chart)]
    height = LARGE if len(charts) == 1 else SMALL
    drawn = [
        (Chart(f"{name}-{place}", chart.title, _spec(figure, chart, series, budget // len(charts), height)), chart)
        for place, chart in enumerate(charts, start=1)
    ]
    return DrawnFigure(figure.title, figure.caption, tuple((each, chart.description) for each, chart in drawn))


def _spec(
    figure: StudyFigure, chart: StudyChart, series: Mapping[str, Series], budget: int, height: int
) -> dict[str, Any]:
    curves = {label: curve for label, curve in chart.curves.items() if curve and label in series}
    most = max(4, min(200, budget // max(1, len(curves))))
    values = [v for label, curve in curves.items() for v in _values(label, thin(curve, most))]
    scale: dict[str, Any] = {"zero": False} if chart.y_range is None else {"domain": list(chart.y_range)}
    along = {"domain": [0, figure.x_end], "nice": False}
    labels = list(series)
    color_scale = {"domain": labels, "range": [series[label].color for label in labels]}
    dash_scale = {"domain": labels, "range": [series[label].dash for label in labels]}
    x_title = figure.x_title[:1].upper() + figure.x_title[1:]
    return {
        **frame_size(height),
        "data": {"values": values},
        "encoding": {
            "x": {"field": "i", "type": "quantitative", "title": x_title, "scale": along},
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
                    "y": {"field": "m", "type": "quantitative", "scale": scale, "title": chart.y_title},
                    "strokeDash": {"field": "label", "type": "nominal", "legend": None, "scale": dash_scale},
                    "tooltip": [
                        {"field": "label", "title": "row", "type": "nominal"},
                        {"field": "i", "title": figure.x_title, "type": "quantitative"},
                        {"field": "m", "title": f"mean {chart.y_title}", "type": "quantitative"},
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
