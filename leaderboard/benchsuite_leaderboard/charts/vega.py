"""Shared parts of all charts: sizes, axes, and numbers rounded to what a screen can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from benchsuite_leaderboard.json_text import script_json

MAX_SEGMENTS = 12
"""Most small charts per diagnostic; deeper networks show evenly spaced segments."""

AXIS_ROOM = 50
"""Height of an axis below a chart with its title, and of the chart's padding, in pixels."""


@dataclass(frozen=True)
class Chart:
    """One chart: its place, the text above it, and its Vega-Lite spec."""

    chart_id: str
    title: str
    spec: dict[str, Any]

    @property
    def room(self) -> int:
        """Return the height in pixels that the page keeps for the chart, so that nothing moves when it is drawn."""
        return int(self.spec["height"]) + AXIS_ROOM

    @property
    def json(self) -> Markup:
        """Return the spec as JSON for the page."""
        return script_json(self.spec)

    @property
    def axes(self) -> list[str]:
        """Return the names of the horizontal axes to choose from; empty if there is no choice."""
        axes = self.spec.get("usermeta", {}).get("axes", [])
        return [axis["label"] for axis in axes] if len(axes) > 1 else []


def x_axis(field: str, title: str, form: str) -> dict[str, Any]:
    """Return the x channel of a curve; whole numbers (``d``) get no ticks between them."""
    axis = {"format": form} | ({"tickMinStep": 1} if form == "d" else {})
    scale = {"zero": False, "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": scale}


def frame_size(height: int) -> dict[str, Any]:
    """Return the size of a chart that fills the page's width."""
    return {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}


def short(value: float) -> float:
    """Round to five digits: more than a line on a screen can show, and a third of the page's size."""
    return float(f"{value:.5g}")


def evenly(segments: Sequence[str | None], most: int = MAX_SEGMENTS) -> list[str | None]:
    """Return at most ``most`` segments, evenly spaced, including the first and the last."""
    if len(segments) <= most:
        return list(segments)
    step = (len(segments) - 1) / (most - 1)
    return [segments[round(i * step)] for i in range(most)]
