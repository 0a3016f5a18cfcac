"""Names beside the points of a scatter chart: each where it covers neither a point nor another name, at any width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchsuite_leaderboard.charts.lines import NAME_WIDTH

WIDTHS = (280, 560, 840)
"""Widths of the plot, in pixels, at which names are tried; a name that has no place yet shows from a wider one on."""

NAME_HEIGHT = 12
DISTANCE = 9
"""From a point's centre to its name, in pixels."""

POINT_RADIUS = 6

Side = str
"""A key of ``OFFSETS``: tried in their order."""

OFFSETS: Mapping[Side, tuple[str, int, int]] = {
    "right": ("left", DISTANCE, 0),
    "left": ("right", -DISTANCE, 0),
    "above": ("center", 0, -DISTANCE - 4),
    "below": ("center", 0, DISTANCE + 5),
    "above right": ("left", DISTANCE - 3, -DISTANCE - 2),
    "below right": ("left", DISTANCE - 3, DISTANCE + 3),
    "above left": ("right", 3 - DISTANCE, -DISTANCE - 2),
    "below left": ("right", 3 - DISTANCE, DISTANCE + 3),
}
"""Alignment of the text, and its offset to the right and down, by side."""


@dataclass(frozen=True)
class NamePlace:
    """The side of the point at which its name stands, and the least width of the plot."""

    side: Side
    least_width: int


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def name_places(
    names: Sequence[str], across: Sequence[float], down: Sequence[float], height: float, margin: float
) -> list[NamePlace | None]:
    """Return a place for each name; None if it has none even on the widest plot.

    Args:
        names: of the points.
        across: horizontal places from 0 to 1.
        down: vertical places in pixels from the top.
        height: of the plot, in pixels.
        margin: free space at the plot's left and right, in pixels.

    """
    found: list[NamePlace | None] = [None] * len(names)
    # Names that stand on a narrow plot stay apart on a wider one: only distances across grow.
    for width in WIDTHS:
        centres = [margin + x * (width - 2 * margin) for x in across]
        points = [_around(x, y, 2 * POINT_RADIUS, 2 * POINT_RADIUS) for x, y in zip(centres, down, strict=True)]
        taken = [
            _box(name, x, y, place.side)
            for name, x, y, place in zip(names, centres, down, found, strict=True)
            if place is not None
        ]
        for i, name in enumerate(names):
            if found[i] is not None:
                continue
            for side in OFFSETS:
                box = _box(name, centres[i], down[i], side)
                inside = box[0] >= 0 and box[2] <= width and box[1] >= 0 and box[3] <= height
                others = (*taken, *(point for j, point in enumerate(points) if j != i))
                if inside and not any(_overlap(box, other) for other in others):
                    found[i] = NamePlace(side, 0 if width == WIDTHS[0] else width)
                    taken.append(box)
                    break
    return found


def _box(name: str, x: float, y: float, side: Side) -> Box:
    align, dx, dy = OFFSETS[side]
    width = NAME_WIDTH * len(name)
    left = {"left": x + dx, "right": x + dx - width, "center": x + dx - width / 2}[align]
    return (left, y + dy - NAME_HEIGHT / 2, left + width, y + dy + NAME_HEIGHT / 2)


def _around(x: float, y: float, width: float, height: float) -> Box:
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
