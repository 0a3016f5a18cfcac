"""The diagnostics of a track's table over training, one small chart per segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.results.formatting import axis_title, quantity
from benchsuite.results.model import RuleRow, SegmentCurve, TrackTable
from benchsuite_leaderboard.charts.lines import (
    curve_layers,
    curve_tooltip,
    curve_values,
    name_layers,
    points_per_line,
    table_frame,
)
from benchsuite_leaderboard.charts.rows import Series, assign_series
from benchsuite_leaderboard.charts.scales import ValueScale, angle_scale, value_scale
from benchsuite_leaderboard.charts.vega import Chart, evenly

MIN_ANGLE_DEG = 0.01
"""Smaller angles are rounding: in float32, backprop is about 1e-6 degrees from itself."""

BOUNDED = ("_correlation", "_fraction", "_cosine")
"""Endings of diagnostics that lie between -1 and 1: never on a logarithmic axis."""

HEIGHT = 150

SHOWN = 4
"""Segments whose charts are shown without a click."""

FIRST = ("credit_angle_deg", "update_angle_deg")
"""Diagnostics that are shown first, if they were measured."""


@dataclass(frozen=True)
class DiagnosticCharts:
    """The small charts of one diagnostic, one per segment, on one scale."""

    diagnostic: str
    title: str
    """Name of the diagnostic in words, with the unit."""
    charts: tuple[Chart, ...]
    segments: int
    """Number of segments measured; in a deep network there are fewer charts."""

    @property
    def shown(self) -> list[Chart]:
        """Return the charts to show first: evenly spaced segments, and the first and the last."""
        names = evenly([chart.chart_id for chart in self.charts], SHOWN)
        return [chart for chart in self.charts if chart.chart_id in names]

    @property
    def folded(self) -> list[Chart]:
        """Return the other charts."""
        return [chart for chart in self.charts if chart not in self.shown]


def alignment_charts(table: TrackTable, budget: int) -> list[DiagnosticCharts]:
    """Draw every diagnostic over epochs, one small chart per segment: mean line and smallest-to-largest band per row.

    Args:
        table: The rows.
        budget: Number of points in all curves together; longer curves are thinned out evenly.

    Returns:
        The charts of each diagnostic, the most telling first; empty if none was measured.
    """
    series = assign_series(table)
    found: dict[str, dict[str | None, list[tuple[RuleRow, SegmentCurve]]]] = {}
    for row in table.rows:
        for curve in row.diagnostics:
            found.setdefault(curve.diagnostic, {}).setdefault(curve.segment, []).append((row, curve))
    order = sorted(found, key=lambda d: (FIRST.index(d) if d in FIRST else len(FIRST), d))
    chosen = {d: evenly(_in_forward_order(list(found[d]), table.segments)) for d in order}
    most = points_per_line(budget, sum(len(found[d][s]) for d, segments in chosen.items() for s in segments))
    groups = []
    for number, (diagnostic, segments) in enumerate(chosen.items()):
        values = {
            segment: [
                value
                for row, curve in found[diagnostic][segment]
                for value in curve_values(curve.points, series[row.row_id], most, 1, band=_has_spread(row, curve))
            ]
            for segment in segments
        }
        drawn = [v[k] for each in values.values() for v in each for k in ("l", "m", "h") if k in v]
        scale = diagnostic_scale(diagnostic, drawn)
        charts = tuple(
            Chart(
                f"alignment-{table.table_id}-{number}-{position}",
                segment if segment is not None else "whole network",
                _spec(series, values[segment], scale, diagnostic),
            )
            for position, segment in enumerate(segments)
        )
        groups.append(DiagnosticCharts(diagnostic, quantity(diagnostic), charts, len(found[diagnostic])))
    return groups


def diagnostic_scale(diagnostic: str, drawn: Sequence[float]) -> ValueScale:
    """Return the vertical scale of a diagnostic, the same for all of its segments, from all that is drawn."""
    if diagnostic.endswith("_deg"):
        return angle_scale(drawn, MIN_ANGLE_DEG)
    return value_scale(drawn, may_be_log=not diagnostic.endswith(BOUNDED))


def _spec(
    series: dict[str, Series], values: Sequence[dict[str, Any]], scale: ValueScale, diagnostic: str
) -> dict[str, Any]:
    drawn = {value["r"] for value in values}
    here = {row_id: each for row_id, each in series.items() if each.index in drawn}
    spec = table_frame(here, HEIGHT)
    spec["data"] = {"values": list(values)}
    banded = any("l" in value for value in values)
    tooltip = curve_tooltip(quantity(diagnostic), band=banded)
    spec["layer"] = curve_layers(here, values, scale, axis_title(diagnostic), tooltip)
    spec["layer"] += name_layers(here, values, scale, spec["height"])
    return spec


def _has_spread(row: RuleRow, curve: SegmentCurve) -> bool:
    """Return True if a band around the curve would be visible: several seeds that differ."""
    return row.completed > 1 and any(point.high > point.low for point in curve.points)


def _in_forward_order(segments: Sequence[str | None], forward: Sequence[str]) -> list[str | None]:
    position = {name: i for i, name in enumerate(forward)}
    return sorted(segments, key=lambda s: (s is None, position.get(s or "", len(position)), s or ""))
