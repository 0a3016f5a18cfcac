"""Error against cost: time per step, time of the training, memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchsuite.results.formatting import hardware_words
from benchsuite.results.model import TrackTable
from benchsuite.results.pareto import Axis, ParetoPoint, pareto_front, pareto_points
from benchsuite_leaderboard.charts.lines import NAME_SIZE, row_lookup, shape_channel, table_frame
from benchsuite_leaderboard.charts.point_names import OFFSETS, NamePlace, name_places
from benchsuite_leaderboard.charts.rows import Series, assign_series
from benchsuite_leaderboard.charts.scales import ValueScale, error_scale, log_ticks
from benchsuite_leaderboard.charts.vega import Chart, short, x_axis

AXES: Mapping[Axis, tuple[str, str]] = {
    "step_time_ms": ("time per step", "Time per training step (ms), timed on an idle device"),
    "total_time_s": ("training time", "Training time (s): timed steps of the whole training, and tuning"),
    "memory_mib": ("memory", "Peak memory (MiB)"),
}
"""Name of the choice, and title of the axis."""

HEIGHT = 300
MARGIN = 18
"""Free space at both ends of the cost axis, in pixels, or rings would be cut."""

LOG_SPAN = 20
"""Ratio of the largest to the smallest cost from which the axis is logarithmic."""


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
    scale = error_scale(100 * point.error for point in points)
    values: list[dict[str, Any]] = [
        {"r": series[point.row_id].index, "m": short(100 * point.error)} for point in points
    ]
    axes = []
    for number, axis in enumerate(AXES):
        priced = [i for i, point in enumerate(points) if point.cost(axis) is not None]
        if not priced:
            continue
        front = {point.row_id for point in pareto_front(points, axis)}
        places = _name_places([points[i] for i in priced], axis, series, scale)
        for i, place in zip(priced, places, strict=True):
            values[i][axis] = short(points[i].cost(axis) or 0.0)
            values[i] |= {f"best{number}": 1} if points[i].row_id in front else {}
            values[i] |= {f"side{number}": place.side, f"from{number}": place.least_width} if place else {}
        axes.append(_axis(axis, number, [values[i][axis] for i in priced]))
    spec = table_frame(series, HEIGHT, axes[0]["x"], named=False)
    spec["data"] = {"values": values}
    # Without the filter, which another axis must not inherit; a point without a place is not drawn.
    looked_up = {"transform": [row_lookup(), *axes[0]["transform"][1:]]}
    title = "Test error (%), logarithmic" if scale.log else "Test error (%)"
    spec["layer"] = [{**looked_up, **layer} for layer in _layers(series, scale, title)]
    spec["usermeta"] = {"axes": axes}
    return Chart(f"pareto-{table.table_id}", f"Error against cost, {hardware_words(hardware_class)}", spec)


def _layers(series: Mapping[str, Series], scale: ValueScale, title: str) -> list[dict[str, Any]]:
    """Return points, rings around those that no other beats, and names, one layer per side."""
    tooltip = [
        {"field": field, "title": title, "type": kind}
        for field, title, kind in (
            ("label", "rule", "nominal"),
            ("m", "test error (%)", "quantitative"),
            *((axis, title, "quantitative") for axis, (title, _) in AXES.items()),
        )
    ]
    point: dict[str, Any] = {"type": "point", "filled": True, "size": 80, "opacity": 1}
    ring = {"type": "point", "shape": "circle", "filled": False, "size": 260, "strokeWidth": 1.5}
    shown = {"condition": {"test": "datum.best", "value": 0.9}, "value": 0}
    layers = [
        {"mark": point, "encoding": {**scale.channel("m", title), **shape_channel(series), "tooltip": tooltip}},
        {"mark": ring, "encoding": {**scale.channel("m"), "opacity": shown}},
    ]
    for side, (align, dx, dy) in OFFSETS.items():
        text = {"type": "text", "align": align, "dx": dx, "dy": dy, "fontSize": NAME_SIZE, "aria": False}
        test = f"datum.side === '{side}' && width >= datum.from"
        named = {"condition": {"test": test, "field": "n", "type": "nominal"}, "value": ""}
        layers.append(
            {"mark": text, "encoding": {**scale.channel("m"), "text": named, "color": {"value": "currentColor"}}}
        )
    return layers


def _name_places(
    points: Sequence[ParetoPoint], axis: Axis, series: Mapping[str, Series], scale: ValueScale
) -> list[NamePlace | None]:
    costs = [point.cost(axis) or 0.0 for point in points]
    low, high = min(costs), max(costs)
    if _is_log(costs):
        across = [math.log(cost / low) / math.log(high / low) for cost in costs]
    else:
        across = [(cost - low) / ((high - low) or 1.0) for cost in costs]
    down = [HEIGHT * (1 - scale.place(100 * point.error)) for point in points]
    return name_places([series[point.row_id].short for point in points], across, down, HEIGHT, MARGIN)


def _axis(axis: Axis, number: int, costs: Sequence[float]) -> dict[str, Any]:
    name, title = AXES[axis]
    copied = ("best", "side", "from")
    transform = [
        {"filter": f"isValid(datum.{axis})"},
        {"calculate": f"datum.{axis}", "as": "x"},
        *({"calculate": f"datum.{field}{number}", "as": field} for field in copied),
    ]
    channel = x_axis("x", title, "~s") | {"scale": {"zero": False, "nice": False, "padding": MARGIN}}
    if _is_log(costs):
        channel["scale"] |= {"type": "log"}
        channel["axis"] = {"values": list(log_ticks(min(costs) / 2, max(costs) * 2)), "format": "~s"}
    return {"label": name, "x": channel, "transform": transform}


def _is_log(costs: Sequence[float]) -> bool:
    return min(costs) > 0 and max(costs) / min(costs) > LOG_SPAN
