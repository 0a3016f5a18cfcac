"""The diagnostics of a track's table over training, one small chart per segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.results.formatting import axis_title, quantity
from benchsuite.results.model import RuleRow, SegmentCurve, TrackTable
from benchsuite_leaderboard.charts.rows import (
    LINEAR,
    assign_series,
    curve_tooltip,
    curve_values,
    dash_channel,
    dots,
    points_per_line,
    row_lookup,
    table_frame,
    y_channel,
)
from benchsuite_leaderboard.charts.vega import Chart, evenly

MIN_SPAN = {"_deg": 0.01}
"""Smaller differences are rounding: in float32, backprop is about 1e-6 degrees from itself."""

SMALLEST_WRITTEN_OUT = 1e-4
"""If an axis stays below this, its ticks are powers of ten: 4.5e-13, not 0.00000000000045."""


@dataclass(frozen=True)
class DiagnosticCharts:
    """The small charts of one diagnostic, one per segment."""

    diagnostic: str
    title: str
    """Name of the diagnostic in words, with the unit."""
    charts: tuple[Chart, ...]
    segments: int
    """Number of segments measured; in a deep network there are fewer charts."""


def alignment_charts(table: TrackTable, budget: int) -> list[DiagnosticCharts]:
    """Draw every diagnostic over epochs, one small chart per segment.

    Args:
        table: The rows.
        budget: Number of points in all curves together; longer curves are thinned out evenly.

    Returns:
        The charts of each diagnostic; empty if none was measured.
    """
    series = assign_series(table)
    found: dict[str, dict[str | None, list[tuple[RuleRow, SegmentCurve]]]] = {}
    for row in table.rows:
        for curve in row.diagnostics:
            found.setdefault(curve.diagnostic, {}).setdefault(curve.segment, []).append((row, curve))
    chosen = {d: evenly(_in_forward_order(list(s), table.segments)) for d, s in sorted(found.items())}
    lines = sum(len(found[d][s]) for d, segments in chosen.items() for s in segments)
    most = points_per_line(budget, lines)
    groups = []
    for number, (diagnostic, segments) in enumerate(chosen.items()):
        charts = []
        for position, segment in enumerate(segments):
            curves = found[diagnostic][segment]
            values = [p for row, c in curves for p in curve_values(c.points, series[row.row_id], most, 1, band=False)]
            spec = table_frame(series, height=150)
            spec["layer"] = [
                {
                    "data": {"values": values},
                    "transform": [row_lookup()],
                    "mark": {"type": "line", "strokeWidth": 1.8, "point": dots(values)},
                    "encoding": {
                        **_diagnostic_encoding(diagnostic, values),
                        **dash_channel(series),
                        "tooltip": curve_tooltip(quantity(diagnostic), band=False),
                    },
                }
            ]
            chart_id = f"alignment-{table.table_id}-{number}-{position}"
            charts.append(Chart(chart_id, segment if segment is not None else "whole network", spec))
        groups.append(DiagnosticCharts(diagnostic, quantity(diagnostic), tuple(charts), len(found[diagnostic])))
    return groups


def _diagnostic_encoding(diagnostic: str, values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    encoding = y_channel("m", axis_title(diagnostic), scale=_span(diagnostic, values), limit=140)
    if 0 < max(abs(v["m"]) for v in values) < SMALLEST_WRITTEN_OUT:
        encoding["y"]["axis"]["format"] = "~g"
    return encoding


def _span(diagnostic: str, values: Sequence[dict[str, Any]]) -> Mapping[str, Any]:
    """Return an axis that starts at zero if all values are the same; else its ticks would show rounding."""
    means = [v["m"] for v in values]
    least = next((span for ending, span in MIN_SPAN.items() if diagnostic.endswith(ending)), 0.0)
    if max(means) - min(means) > least:
        return LINEAR
    if max(map(abs, means)) <= least:
        return {"type": "linear", "domain": [0, 1]}
    return {"type": "linear", "zero": True}


def _in_forward_order(segments: Sequence[str | None], forward: Sequence[str]) -> list[str | None]:
    position = {name: i for i, name in enumerate(forward)}
    return sorted(segments, key=lambda s: (s is None, position.get(s or "", len(position)), s or ""))
