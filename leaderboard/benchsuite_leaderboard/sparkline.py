"""Small learning curves for the cells of a table, as SVG that needs no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchsuite.results.chance import is_near_chance
from benchsuite.results.model import CurvePoint, RuleRow, TrackTable

WIDTH, HEIGHT = 80, 26
MARGIN = 2
LEAST_ERROR = 1e-4
"""Errors below this are drawn at it: an axis of ratios has no zero."""


@dataclass(frozen=True)
class Scale:
    """The axes that all curves of one table share: epochs across, the logarithm of the error up."""

    epochs: float
    low: float
    high: float

    def path(self, points: Sequence[CurvePoint]) -> str:
        """Return the curve as the data of an SVG path."""
        places = [f"{self._x(p.epoch):.1f} {self._y(p.mean):.1f}" for p in points]
        return "M" + "L".join(places) if len(places) > 1 else ""

    def _x(self, epoch: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * epoch / self.epochs

    def _y(self, error: float) -> float:
        """Return the height of an error; one outside of the scale is drawn at its edge."""
        span = math.log(self.high / self.low) or 1.0
        return MARGIN + (HEIGHT - 2 * MARGIN) * math.log(self.high / min(max(error, self.low), self.high)) / span


def scale_of(tables: Iterable[TrackTable]) -> Scale | None:
    """Return the axes for the rows of tables; None without curves.

    Rows near chance are drawn at the upper edge: with them in the scale, all others would be flat.
    """
    curves = [(row.curve, is_near_chance(row, table)) for table in tables for row in table.rows if row.curve]
    usual = [curve for curve, near_chance in curves if not near_chance] or [curve for curve, _ in curves]
    points = [point for curve in usual for point in curve]
    if not points:
        return None
    errors = [max(point.mean, LEAST_ERROR) for point in points]
    return Scale(max(1.0, *(point.epoch for point in points)), min(errors), max(errors))


def curve_words(row: RuleRow) -> str:
    """Return a curve in words, for readers who do not see it."""
    first, last = row.curve[0], row.curve[-1]
    return (
        f"test error from {100 * first.mean:.1f} % after epoch {first.epoch:g} "
        f"to {100 * last.mean:.1f} % after epoch {last.epoch:g}"
    )
