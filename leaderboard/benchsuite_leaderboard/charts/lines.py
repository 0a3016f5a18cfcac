"""Line charts: a line with a band, markers and a name at its end per row, readable without colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchsuite.results.curves import thin
from benchsuite.results.model import CurvePoint
from benchsuite_leaderboard.charts.rows import Series
from benchsuite_leaderboard.charts.scales import ValueScale
from benchsuite_leaderboard.charts.vega import frame_size, short, x_axis

MARKERS_PER_LINE = 6
ALL_MARKED = 15
"""Number of points up to which each has its marker."""

NAME_PITCH = 12
"""Smallest vertical distance of two names at lines' ends, in pixels."""

NAME_SIZE, NAME_WIDTH = 11, 6.3
"""Size of these names, and the width of an average character, in pixels."""

LONGEST_NAME = 24
LEADER = 9
"""Length of the stroke from a line's end to its name, in pixels."""

EPOCHS = x_axis("e", "Epoch", "d")


def table_frame(
    series: Mapping[str, Series], height: int, x: Mapping[str, Any] = EPOCHS, *, named: bool = True
) -> dict[str, Any]:
    """Return the base of every chart of rows: numbered rows, their looks, and room for names. Add layers to it.

    Args:
        series: the rows.
        height: of the plot, in pixels; more if the names need it.
        x: horizontal channel.
        named: True if lines have names at their ends.

    """
    rows: list[dict[str, Any]] = [{"r": s.index, "label": s.label, "n": _cut(s.short)} for s in series.values()]
    labels = [s.label for s in series.values()]
    widest = max((len(row["n"]) for row in rows), default=0)
    room = round(LEADER + 12 + NAME_WIDTH * widest) if named else 5
    if named:
        height = max(height, NAME_PITCH * len(rows))
    return {
        **frame_size(height),
        "padding": {"left": 5, "top": 5, "bottom": 5, "right": room},
        "datasets": {"rows": rows},
        "encoding": {
            "x": dict(x),
            "color": {
                "field": "label",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": labels, "range": [s.color for s in series.values()]},
            },
        },
    }


def curve_layers(
    series: Mapping[str, Series],
    values: Sequence[Mapping[str, Any]],
    scale: ValueScale,
    title: str,
    tooltip: Sequence[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return the layers of lines, bands and markers; the chart's data must be ``values``.

    Args:
        series: the rows.
        values: from ``curve_values``.
        scale: vertical scale.
        title: of the vertical axis, with the unit.
        tooltip: of a point.

    """
    looked_up = {"transform": [row_lookup()]}
    layers: list[dict[str, Any]] = []
    if any("l" in value for value in values):
        layers.append(
            {**looked_up, "mark": {"type": "area", "opacity": 0.16}, "encoding": scale.channel("l", y2="h")},
        )
    line = {"type": "line", "strokeWidth": 1.8}
    encoding = {**scale.channel("m", title), **dash_channel(series), "tooltip": list(tooltip)}
    layers.append({**looked_up, "mark": line, "encoding": encoding})
    layers.append(
        {
            "transform": [{"filter": "datum.k"}, row_lookup()],
            "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1},
            "encoding": {**scale.channel("m"), **shape_channel(series), "tooltip": list(tooltip)},
        }
    )
    return layers


def name_layers(
    series: Mapping[str, Series], values: Iterable[Mapping[str, Any]], scale: ValueScale, height: int
) -> list[dict[str, Any]]:
    """Return the layers of names at the lines' ends, moved apart where they would overlap.

    Args:
        series: the rows.
        values: points of all curves; the last of each row is named.
        scale: vertical scale.
        height: of the plot, in pixels.

    """
    last: dict[int, Mapping[str, Any]] = {}
    for value in values:
        if value["r"] not in last or value["e"] >= last[value["r"]]["e"]:
            last[value["r"]] = value
    ends = named_ends(last.values(), scale, height)
    return layers_of_names(series, ends, scale) if ends else []


def named_ends(last: Iterable[Mapping[str, Any]], scale: ValueScale, height: int) -> list[dict[str, Any]]:
    """Return each line's last point with the height of its name, ``q``.

    Args:
        last: the last point of each row.
        scale: vertical scale.
        height: of the plot, in pixels.

    """
    order = sorted(last, key=lambda v: (scale.place(v["m"]), v["r"]))
    places = spread([height * scale.place(v["m"]) for v in order], NAME_PITCH, height)
    return [
        {**{k: v for k, v in value.items() if k in "rtem"}, "q": short(scale.value(place / height))}
        for value, place in zip(order, places, strict=True)
    ]


def layers_of_names(
    series: Mapping[str, Series], ends: Sequence[Mapping[str, Any]], scale: ValueScale
) -> list[dict[str, Any]]:
    """Return the layers of names at ends that ``named_ends`` has placed."""
    known = {"data": {"values": list(ends)}, "transform": [row_lookup()]}
    to = {"value": {"expr": f"width + {LEADER}"}}
    leader = {"x": {"value": {"expr": "width + 1"}}, "x2": to, **scale.channel("m", y2="q")}
    text = {"type": "text", "align": "left", "dx": 8, "fontSize": NAME_SIZE, "aria": False}
    return [
        {**known, "mark": {"type": "rule", "strokeWidth": 1, "opacity": 0.7, "aria": False}, "encoding": leader},
        {
            **known,
            "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1, "aria": False},
            "encoding": {"x": to, **scale.channel("q"), **shape_channel(series)},
        },
        {
            **known,
            "mark": text,
            "encoding": {
                "x": to,
                **scale.channel("q"),
                "text": {"field": "n", "type": "nominal"},
                "color": {"value": "currentColor"},
            },
        },
    ]


def spread(places: Sequence[float], pitch: float, height: float) -> list[float]:
    """Move ascending places apart to at least ``pitch``, as little as possible, between 0 and ``height``.

    Places too close to each other form a group around their mean; groups that meet are joined.
    """
    groups: list[tuple[float, int]] = []  # (mean of the wanted places, members)

    def bottom(group: tuple[float, int]) -> float:
        mean, members = group
        extent = pitch * (members - 1)
        return max(0.0, min(mean - extent / 2, height - extent))

    for place in places:
        group = (place, 1)
        while groups and bottom(groups[-1]) + pitch * groups[-1][1] > bottom(group):
            mean, members = groups.pop()
            total = members + group[1]
            group = ((mean * members + group[0] * group[1]) / total, total)
        groups.append(group)
    return [bottom(group) + pitch * i for group in groups for i in range(group[1])]


def dash_channel(series: Mapping[str, Series]) -> dict[str, Any]:
    """Return the channel of a line's dash."""
    return {"strokeDash": _by_label(series, [s.dash for s in series.values()])}


def shape_channel(series: Mapping[str, Series]) -> dict[str, Any]:
    """Return the channel of a marker's shape."""
    return {"shape": _by_label(series, [s.marker for s in series.values()])}


def _by_label(series: Mapping[str, Series], looks: Sequence[Any]) -> dict[str, Any]:
    scale = {"domain": [s.label for s in series.values()], "range": list(looks)}
    return {"field": "label", "type": "nominal", "legend": None, "scale": scale}


def curve_tooltip(title: str, *, band: bool, x: str = "epoch", what: str = "rule") -> list[dict[str, Any]]:
    """Return the tooltip of a point."""
    fields = [("label", what, "nominal"), ("e", x, "quantitative")]
    fields += [("m", f"mean {title}" if band else title, "quantitative")]
    fields += [("l", "smallest", "quantitative"), ("h", "largest", "quantitative")] if band else []
    return [{"field": f, "title": t, "type": k} for f, t, k in fields]


def row_lookup() -> dict[str, Any]:
    """Return the transform that looks up a point's row name: the page stores it once, not in every point."""
    return {"lookup": "r", "from": {"data": {"name": "rows"}, "key": "r", "fields": ["label", "n", "c"]}}


def curve_values(
    points: Sequence[CurvePoint], series: Series, most: int, scale: float, *, band: bool
) -> list[dict[str, Any]]:
    """Return a row's points, at most ``most`` of them, each multiplied by ``scale``; ``k`` marks those with a marker.

    Args:
        points: of the row.
        series: the row.
        most: largest number of points.
        scale: factor of each value.
        band: True to keep the smallest and the largest value, where they differ from the mean.

    """
    values: list[dict[str, Any]] = []
    for point in thin(points, most):
        value: dict[str, Any] = {"r": series.index, "e": point.epoch, "m": short(point.mean * scale)}
        value |= {} if point.time_s is None else {"t": short(point.time_s)}
        if band:
            value |= {"l": short(point.low * scale), "h": short(point.high * scale)}
        values.append(value)
    for value in values[marked_points(len(values), series.index)]:
        value["k"] = 1
    return values


def marked_points(points: int, row: int) -> slice:
    """Return the evenly spaced points with a marker; different rows have different ones, so that equal lines show both.

    Args:
        points: number of points of the line.
        row: number of the row.

    """
    step = 1 if points <= ALL_MARKED else max(1, points // MARKERS_PER_LINE)
    return slice((row * step // 4) % step, None, step)


def points_per_line(budget: int, lines: int) -> int:
    """Return the number of points that each of several lines may have."""
    return max(4, min(200, budget // max(1, lines)))


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
