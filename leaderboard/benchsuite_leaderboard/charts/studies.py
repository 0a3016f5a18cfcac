"""Charts of a study as Vega-Lite specs: lines with bands, one line per row of the study's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchsuite.results.rule_style import STYLES
from benchsuite.results.studies import StudyChart, StudyFigure, StudySummary
from benchsuite_leaderboard.charts.lines import (
    curve_layers,
    curve_tooltip,
    curve_values,
    name_layers,
    points_per_line,
    table_frame,
)
from benchsuite_leaderboard.charts.rows import Series, plain_series, rule_series
from benchsuite_leaderboard.charts.scales import ValueScale, value_scale
from benchsuite_leaderboard.charts.vega import Chart, x_axis
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
    """Assign each row, by its label, its rule's look if its name starts with one; else a look by its place."""
    plain = plain_series(row.label for row in summary.rows)
    rules = {row.label: label_rule(row.label) for row in summary.rows}
    looks = rule_series({label: rule for label, rule in rules.items() if rule})
    return {label: replace(looks[label], index=each.index) if label in looks else each for label, each in plain.items()}


def label_rule(label: str) -> str | None:
    """Return the listed rule whose name a label starts with; None if there is none."""
    rules = [rule for rule in STYLES if label == rule or label.startswith((rule + " ", rule + ","))]
    return max(rules, key=len, default=None)


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
    here = {label: series[label] for label in series if label in curves}
    most = points_per_line(budget, len(curves))
    values = [v for label in here for v in curve_values(curves[label], series[label], most, 1, band=True)]
    scale = (
        value_scale(v[k] for v in values for k in ("l", "m", "h"))
        if chart.y_range is None
        else ValueScale(*chart.y_range)
    )
    x_title = figure.x_title[:1].upper() + figure.x_title[1:]
    along = x_axis("e", x_title, ",~f") | {"scale": {"domain": [0, figure.x_end], "nice": False}}
    spec = table_frame(here, height, along)
    spec["data"] = {"values": values}
    tooltip = curve_tooltip(chart.y_title, band=True, x=figure.x_title, what="row")
    spec["layer"] = curve_layers(here, values, scale, chart.y_title, tooltip)
    spec["layer"] += name_layers(here, values, scale, spec["height"])
    return spec
