"""The learning curves of a track's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchsuite.results.curves import with_times
from benchsuite.results.model import CurvePoint, TrackTable
from benchsuite_leaderboard.charts.lines import (
    curve_layers,
    curve_tooltip,
    curve_values,
    name_layers,
    points_per_line,
    row_lookup,
    table_frame,
)
from benchsuite_leaderboard.charts.rows import assign_series
from benchsuite_leaderboard.charts.scales import error_scale
from benchsuite_leaderboard.charts.vega import Chart, x_axis

HEIGHT = 320

SHOWN_FAILURES = 40
"""Failed runs drawn per table; the table lists all."""

TIME_UNITS = ((7200.0, 3600.0, "h"), (300.0, 60.0, "min"), (0.0, 1.0, "s"))
"""Units of time: smallest number of seconds to use it for, seconds per unit, name."""


def learning_curves(table: TrackTable, budget: int) -> Chart | None:
    """Draw the test error over epochs: mean line and smallest-to-largest band per row, failed runs up to their end.

    ``usermeta.axes`` of the spec holds the other axes to choose from: images seen and, for each hardware class
    separately, training time.

    Args:
        table: The rows.
        budget: Number of points in all curves together; longer curves are thinned out evenly.

    Returns:
        None if nothing was measured.
    """
    series = assign_series(table)
    failed = [
        (row, run) for row in table.rows for run in row.runs if run.test_curve and not (run.counted or run.superseded)
    ]
    failed = failed[:SHOWN_FAILURES]
    lines = sum(bool(row.curve) for row in table.rows) + len(failed)
    if not lines:
        return None
    most = points_per_line(budget, lines)
    means = [p for row in table.rows for p in curve_values(row.curve, series[row.row_id], most, 100, band=True)]
    traces = []
    for number, (row, run) in enumerate(failed):
        points = [CurvePoint(e, v, v, v) for e, v in run.test_curve.items()]
        points = list(with_times(points, [run.record])) if run.record else points
        drawn = curve_values(points, series[row.row_id], most, 100, band=False)
        traces += [{**p, "run": number, "s": run.seed, "why": run.status} for p in drawn]
        traces[-1]["end"] = True
    spec = table_frame(series, HEIGHT)
    classes = _hardware_classes(table)
    for row in table.rows:
        spec["datasets"]["rows"][series[row.row_id].index]["c"] = classes.index(row.hardware_class)
    scale = error_scale(v[k] for v in means + traces for k in ("l", "m", "h") if k in v)
    title = "Test error (%), logarithmic" if scale.log else "Test error (%)"
    spec["data"] = {"values": means}
    spec["layer"] = curve_layers(series, means, scale, title, curve_tooltip("test error (%)", band=True))
    if traces:
        trace = {"mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.75}, "encoding": scale.channel("m")}
        trace["encoding"]["detail"] = {"field": "run", "type": "nominal"}
        end = {
            "mark": {"type": "point", "shape": "cross", "angle": 45, "size": 70, "filled": True, "opacity": 1},
            "encoding": {**scale.channel("m"), "tooltip": _failure_tooltip()},
        }
        spec["layer"] += [
            {**trace, "data": {"values": traces}, "transform": [row_lookup()]},
            {**end, "data": {"values": [t for t in traces if "end" in t]}, "transform": [row_lookup()]},
        ]
    # A row whose runs all failed is named where its last trace ends.
    completed = {v["r"] for v in means}
    named = means + [t for t in traces if t["r"] not in completed]
    spec["layer"] += name_layers(series, named, scale, spec["height"])
    spec["usermeta"] = {"axes": _axes(table, spec, means + traces)}
    return Chart(f"learning-{table.table_id}", "Test error over training", spec)


def _hardware_classes(table: TrackTable) -> list[str]:
    return sorted({row.hardware_class for row in table.rows})


def _axes(table: TrackTable, spec: dict[str, Any], values: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the x axes to choose from: label, Vega-Lite's x, and the transform that the data need first."""
    axes: list[dict[str, Any]] = [{"label": "epochs", "x": spec["encoding"]["x"], "transform": []}]
    if table.train_examples is not None:
        seen = {"calculate": f"datum.e * {table.train_examples}", "as": "images"}
        axes.append({"label": "images seen", "x": x_axis("images", "Training images seen", "~s"), "transform": [seen]})
    rows = spec["datasets"]["rows"]
    classes = _hardware_classes(table)
    for number, name in enumerate(classes):
        times = [v["t"] for v in values if "t" in v and rows[v["r"]]["c"] == number]
        if times and max(times) > 0:
            _, size, unit = next(u for u in TIME_UNITS if max(times) >= u[0])
            known = {"filter": f"isValid(datum.t) && datum.c === {number}"}
            scaled = {"calculate": f"datum.t / {size:g}", "as": "time"}
            title = f"Training time on the clock ({unit}), {name[:80]}"
            label = "training time" if len(classes) == 1 else f"training time, {name[:80]}"
            axes.append({"label": label, "x": x_axis("time", title, "~g"), "transform": [known, scaled]})
    return axes


def _failure_tooltip() -> list[dict[str, Any]]:
    fields = [
        ("label", "rule"),
        ("s", "seed"),
        ("why", "ended as"),
        ("e", "last measured epoch"),
        ("m", "test error (%)"),
    ]
    return [{"field": f, "title": t, "type": "nominal"} for f, t in fields]
