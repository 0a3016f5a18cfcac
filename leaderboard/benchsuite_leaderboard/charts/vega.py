"""Shared parts of all charts: colours, sizes, axes, and numbers rounded to what a screen can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# Mid tones with a contrast of about 3:1 on white and on near-black; neighbours also differ for colour-blind readers.
PALETTE = ("#3f7fd0", "#d5791f", "#2a9d76", "#c7527d", "#8b6fd6", "#a5794f", "#2d9fb3", "#9a9212", "#d05a4e", "#7c8896")
DASHES: tuple[list[int], ...] = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
# The baseline takes the colour of the text, whatever the theme.
BASELINE_COLOR = "currentColor"

MAX_SEGMENTS = 12
"""Most small charts per diagnostic; deeper networks show evenly spaced segments."""


@dataclass(frozen=True)
class Series:
    """Colour and dash of one row, the same in every chart of its table."""

    index: int
    label: str
    color: str
    dash: list[int]


@dataclass(frozen=True)
class Chart:
    """One chart: its place, the text above it, and its Vega-Lite spec."""

    chart_id: str
    title: str
    spec: dict[str, Any]


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


def evenly(segments: Sequence[str | None]) -> list[str | None]:
    """Return at most ``MAX_SEGMENTS`` segments, evenly spaced, including the first and the last."""
    if len(segments) <= MAX_SEGMENTS:
        return list(segments)
    step = (len(segments) - 1) / (MAX_SEGMENTS - 1)
    return [segments[round(i * step)] for i in range(MAX_SEGMENTS)]
