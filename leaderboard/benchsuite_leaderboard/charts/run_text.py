"""The JSON of a single run's charts: a site has ten thousand times eight of them, alike but for their numbers.

A chart's spec is written once for its lines and titles, with places for the numbers; each run fills them in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from benchsuite.results.curves import Epoch, thin
from benchsuite_leaderboard.charts.lines import (
    curve_layers,
    curve_tooltip,
    layers_of_names,
    marked_points,
    named_ends,
    table_frame,
)
from benchsuite_leaderboard.charts.rows import Series, plain_series
from benchsuite_leaderboard.charts.scales import ValueScale
from benchsuite_leaderboard.charts.vega import AXIS_ROOM, short
from benchsuite_leaderboard.json_text import compact_json, script_json

HEIGHT = 180

VALUES, ENDS, SCALE, AXIS = ({"place": name} for name in ("values", "ends", "scale", "axis"))
"""Places for what differs from run to run."""

# No text of a record can look like a place: within a text of JSON, a quotation mark has a backslash before it.
PLACE = re.compile(r'\{"place":"(\w+)"\}')


@dataclass(frozen=True)
class RunChart:
    """One chart of a run: its place, the text above it, its height, and its Vega-Lite spec as JSON."""

    chart_id: str
    title: str
    room: int
    """Height in pixels that the page keeps for the chart."""
    json: Markup
    axes: tuple[str, ...] = ()
    """Horizontal axes to choose from: none."""


@dataclass(frozen=True)
class RunLine:
    """One line of a run's chart, thinned out to the points that are drawn."""

    series: Series
    points: Sequence[tuple[float, float]]
    """Epoch and value, in order of epochs."""

    @property
    def text(self) -> str:
        """Return the points as members of a JSON list; ``k`` marks those with a marker, as ``curve_values`` does."""
        epochs, values = zip(*self.points, strict=True)
        return _form_of_points(self.series.index, epochs) % values

    @property
    def last(self) -> dict[str, float]:
        """Return the last point, for the line's name."""
        epoch, value = self.points[-1]
        return {"r": self.series.index, "e": epoch, "m": short(value)}


class _PlaceForScale(ValueScale):
    """A vertical scale that is not known yet."""

    @property
    def scale(self) -> dict[str, Any]:
        return SCALE

    @property
    def axis(self) -> dict[str, Any]:
        return AXIS


def run_lines(measured: Mapping[str, Mapping[Epoch, float]], most: int) -> list[RunLine]:
    """Return a line per label, at most ``most`` points each.

    Args:
        measured: values by epoch, by label; none is empty.
        most: largest number of points of a line.

    """
    series = _series(tuple(measured))
    return [RunLine(series[label], thin(sorted(points.items()), most)) for label, points in measured.items()]


def run_chart(chart_id: str, title: str, axis: str, lines: Sequence[RunLine], scale: ValueScale) -> RunChart:
    """Return the chart of a run's lines.

    Args:
        chart_id: identifies the chart within the page.
        title: text above the chart.
        axis: title of the vertical axis, with the unit.
        lines: from ``run_lines``.
        scale: vertical scale.

    """
    parts, height = _parts(tuple(line.series.label for line in lines), axis)
    numbers = {
        "values": ",".join([line.text for line in lines]),
        "ends": compact_json(named_ends([line.last for line in lines], scale, height))[1:-1] if len(lines) > 1 else "",
        "scale": compact_json(scale.scale),
        "axis": compact_json(scale.axis),
    }
    text = "".join([numbers[part] if place % 2 else part for place, part in enumerate(parts)])
    return RunChart(chart_id, title, height + AXIS_ROOM, Markup(text))  # noqa: S704 - escaped but for its numbers


@lru_cache(maxsize=256)  # the runs of a track have the same lines
def _series(labels: tuple[str, ...]) -> Mapping[str, Series]:
    return plain_series(labels)


@lru_cache(maxsize=1024)  # and were mostly measured at the same epochs
def _form_of_points(row: int, epochs: tuple[float, ...]) -> str:
    """Return the points of a line as members of a JSON list, with a ``%``-format for each value.

    ``k`` marks those with a marker, as ``curve_values`` does.
    """
    forms = [f'{{"r":{row},"e":{epoch},"m":%.5g}}' for epoch in epochs]
    marked = marked_points(len(forms), row)
    forms[marked] = [f'{form[:-1]},"k":1}}' for form in forms[marked]]
    return ",".join(forms)


@lru_cache(maxsize=256)
def _parts(labels: tuple[str, ...], axis: str) -> tuple[Sequence[str], int]:
    """Return the escaped JSON of a chart in parts, every second of them the name of a place, and the plot's height."""
    series, scale = _series(labels), _PlaceForScale(0.0, 1.0)
    frame = table_frame(series, HEIGHT, named=len(series) > 1)
    layers = curve_layers(series, [], scale, axis, curve_tooltip(axis, band=False, what="of"))
    if len(series) > 1:
        layers += layers_of_names(series, [ENDS], scale)
    text = script_json({**frame, "data": {"values": [VALUES]}, "layer": layers})
    return PLACE.split(text), int(frame["height"])
