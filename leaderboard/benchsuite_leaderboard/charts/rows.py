"""Shared parts of the charts of a track's table: a colour per row, and points that name their row by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchsuite.results.curves import thin
from benchsuite.results.model import CurvePoint, TrackTable
from benchsuite_leaderboard.charts.vega import BASELINE_COLOR, DASHES, PALETTE, Series, frame_size, short, x_axis

LINEAR: Mapping[str, Any] = {"zero": False, "type": "linear"}


def assign_series(table: TrackTable) -> dict[str, Series]:
    """Assign each row, by its id, a colour and a dash that do not depend on the rows' results."""
    series: dict[str, Series] = {}
    others = 0
    for row in sorted(table.rows, key=lambda r: r.label):
        first_baseline = row.is_baseline and not any(s.color == BASELINE_COLOR for s in series.values())
        color = BASELINE_COLOR if first_baseline else PALETTE[others % len(PALETTE)]
        dash = DASHES[0] if first_baseline else DASHES[others // len(PALETTE) % len(DASHES)]
        others += not first_baseline
        series[row.row_id] = Series(len(series), row.label, color, dash)
    return series


def table_frame(series: dict[str, Series], height: int) -> dict[str, Any]:
    """Return the base of every chart of a table: numbered rows and their colours. Add layers to it."""
    rows = [{"r": s.index, "label": s.label} for s in series.values()]
    labels = [s.label for s in series.values()]
    return {
        **frame_size(height),
        "datasets": {"rows": rows},
        "encoding": {
            "x": x_axis("e", "Epoch", "d"),
            "color": {
                "field": "label",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": labels, "range": [s.color for s in series.values()]},
            },
        },
    }


def dash_channel(series: dict[str, Series]) -> dict[str, Any]:
    """Return the channel that distinguishes rows of the same colour."""
    scale = {"domain": [s.label for s in series.values()], "range": [s.dash for s in series.values()]}
    return {"strokeDash": {"field": "label", "type": "nominal", "legend": None, "scale": scale}}


def y_channel(
    y: str, title: str | None = None, *, y2: str | None = None, scale: Mapping[str, Any] = LINEAR, limit: int = 300
) -> dict[str, Any]:
    """Return the channels of a value, or of a band from ``y`` to ``y2``."""
    encoding: dict[str, Any] = {"y": {"field": y, "type": "quantitative", "scale": dict(scale)}}
    if title is not None:
        encoding["y"] |= {"title": title, "axis": {"titleLimit": limit}}
    if y2 is not None:
        encoding["y2"] = {"field": y2}
    return encoding


def curve_tooltip(title: str, *, band: bool) -> list[dict[str, Any]]:
    """Return the tooltip of a point."""
    fields = [("label", "rule", "nominal"), ("e", "epoch", "quantitative"), ("m", f"mean {title}", "quantitative")]
    fields += [("l", "smallest", "quantitative"), ("h", "largest", "quantitative")] if band else []
    return [{"field": f, "title": t, "type": k} for f, t, k in fields]


def row_lookup() -> dict[str, Any]:
    """Return the transform that looks up a point's row name: the page stores it once, not in every point."""
    return {"lookup": "r", "from": {"data": {"name": "rows"}, "key": "r", "fields": ["label", "c"]}}


def curve_values(
    points: Sequence[CurvePoint], series: Series, most: int, scale: float, *, band: bool
) -> list[dict[str, float]]:
    """Return a row's points, at most ``most`` of them, each multiplied by ``scale``."""
    values = []
    for point in thin(points, most):
        value = {"r": series.index, "e": point.epoch, "m": short(point.mean * scale)}
        value |= {} if point.time_s is None else {"t": short(point.time_s)}
        values.append({**value, "l": short(point.low * scale), "h": short(point.high * scale)} if band else value)
    return values


def dots(values: Sequence[dict[str, Any]]) -> dict[str, Any] | bool:
    """Return the dots of a short curve: a line through a single epoch would be invisible."""
    return {"size": 26, "filled": True} if len({v["e"] for v in values}) <= 15 else False


def points_per_line(budget: int, lines: int) -> int:
    """Return the number of points that each of several lines may have."""
    return max(4, min(200, budget // max(1, lines)))
