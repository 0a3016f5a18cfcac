"""What all charts share: colours, sizes, axes, and numbers cut to what a screen can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Mid tones that keep a contrast of about 3:1 on white and on near-black; neighbours differ for the colour-blind too.
PALETTE = ("#3f7fd0", "#d5791f", "#2a9d76", "#c7527d", "#8b6fd6", "#a5794f", "#2d9fb3", "#9a9212", "#d05a4e", "#7c8896")
DASHES: tuple[list[int], ...] = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
# The baseline takes the colour of the text, whatever the theme.
BASELINE_COLOR = "currentColor"

MAX_SEGMENTS = 12
"""Small charts per diagnostic; of deeper networks evenly spaced segments are shown."""


@dataclass(frozen=True)
class Series:
    """How one row is drawn in every chart of its table."""

    index: int
    label: str
    color: str
    dash: list[int]


@dataclass(frozen=True)
class Chart:
    """One chart: where it goes, what it says above itself, and its Vega-Lite spec."""

    chart_id: str
    title: str
    spec: dict[str, Any]


def x_axis(field: str, title: str, form: str) -> dict[str, Any]:
    """Return the channel of what a curve runs along; whole numbers (``d``) get no ticks between them."""
    axis = {"format": form} | ({"tickMinStep": 1} if form == "d" else {})
    scale = {"zero": False, "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": scale}


def frame_size(height: int) -> dict[str, Any]:
    """Return the size of a chart that is as wide as the page lets it be."""
    return {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}


def short(value: float) -> float:
    """Return five digits: more than a line on a screen can show, and a third of the page's size."""
    return float(f"{value:.5g}")


def evenly(segments: Sequence[str | None]) -> list[str | None]:
    """Return as many segments as there is room for, evenly spaced, the first and the last among them."""
    if len(segments) <= MAX_SEGMENTS:
        return list(segments)
    step = (len(segments) - 1) / (MAX_SEGMENTS - 1)
    return [segments[round(i * step)] for i in range(MAX_SEGMENTS)]
