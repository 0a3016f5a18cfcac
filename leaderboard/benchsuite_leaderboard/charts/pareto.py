"""Error against cost: time per step, time of the training, memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchsuite.results.model import TrackTable
from benchsuite.results.pareto import Axis, pareto_front, pareto_points
from benchsuite_leaderboard.charts.rows import assign_series, row_lookup, table_frame, y_channel
from benchsuite_leaderboard.charts.vega import Chart, short, x_axis

AXES: Mapping[Axis, tuple[str, str]] = {
    "step_time_ms": ("time per step", "Time per training step (ms), timed on an idle device"),
    "total_time_s": ("training time", "Training time (s): timed steps of the whole training, and tuning"),
    "memory_mib": ("memory", "Peak memory (MiB)"),
}
"""Name of the choice, and title of the axis."""


def pareto_chart(table: TrackTable, tuning_time_s: Mapping[str, float | None] | None = None) -> Chart | None:
    """Draw error against each cost, with a ring around the rows that no other beats in both.

    Shown is the hardware class with most rows that were timed. ``usermeta.axes`` holds the other axes to choose from.

    Args:
        table: the rows.
        tuning_time_s: as ``pareto_points`` takes it.

    Returns:
        None unless two complete rows of one hardware class have been timed.
    """
    timed = [row.hardware_class for row in table.rows if row.cost.step_time_ms is not None]
    hardware_class = max(sorted(set(timed)), key=timed.count, default="")
    points = pareto_points(table, hardware_class, tuning_time_s)
    if sum(point.step_time_ms is not None for point in points) < 2:
        return None
    series = assign_series(table)
    fronts = {axis: {point.row_id for point in pareto_front(points, axis)} for axis in AXES}
    values = []
    for point in points:
        costs: dict[str, Any] = {axis: short(cost) for axis in AXES if (cost := point.cost(axis)) is not None}
        best = {f"best_{axis}": point.row_id in front for axis, front in fronts.items()}
        values.append({"r": series[point.row_id].index, "m": short(100 * point.error), **costs, **best})
    spec = table_frame(series, height=300)
    axes = [_axis(axis) for axis in AXES if any(axis in value for value in values)]
    spec["encoding"]["x"] = axes[0]["x"]
    # Without the filter, which another axis must not inherit; a point without a place is not drawn.
    looked_up: dict[str, Any] = {"data": {"values": values}, "transform": [row_lookup(), *axes[0]["transform"][1:]]}
    tooltip = [
        {"field": field, "title": title, "type": kind}
        for field, title, kind in (
            ("label", "rule", "nominal"),
            ("m", "test error (%)", "quantitative"),
            *((axis, title, "quantitative") for axis, (title, _) in AXES.items()),
        )
    ]
    spec["layer"] = [
        {
            **looked_up,
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {**y_channel("m", "Test error (%)"), "tooltip": tooltip},
        },
        {
            **looked_up,
            "mark": {"type": "point", "filled": False, "size": 260, "strokeWidth": 1.5},
            "encoding": {
                **y_channel("m"),
                "opacity": {"condition": {"test": "datum.best", "value": 0.9}, "value": 0},
            },
        },
    ]
    spec["usermeta"] = {"axes": axes}
    return Chart(f"pareto-{table.table_id}", f"Error against cost, {hardware_class}", spec)


def _axis(axis: Axis) -> dict[str, Any]:
    name, title = AXES[axis]
    known = {"filter": f"isValid(datum.{axis})"}
    transform = [known, {"calculate": f"datum.{axis}", "as": "x"}, {"calculate": f"datum.best_{axis}", "as": "best"}]
    # Room at both ends, or the rings of the cheapest and the dearest would be cut.
    channel = x_axis("x", title, "~s") | {"scale": {"zero": False, "nice": True, "padding": 16}}
    return {"label": name, "x": channel, "transform": transform}
