"""Vertical scales of charts: fixed ends, so that charts can share one and labels can be placed before drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite_leaderboard.charts.vega import short

LOG_SPAN = 8
"""Ratio of the largest to the smallest error from which an axis is logarithmic: else the start hides the end."""

MARGIN = 0.05
"""Free space above and below the values, as a part of their span."""

SHARED_DECADES = 2.0
"""Span of an axis, in powers of ten, up to which 2 and 5 times a power of ten are ticks too."""

ANGLE_STEP = 30.0


@dataclass(frozen=True)
class ValueScale:
    """The vertical scale of one or several charts."""

    low: float
    high: float
    log: bool = False
    ticks: tuple[float, ...] = ()
    """Values with a tick; empty to leave the choice to the drawing."""

    @property
    def scale(self) -> dict[str, Any]:
        """Return Vega-Lite's scale."""
        # Vega-Lite warns of "zero" on a logarithmic scale, and starts a linear one with a domain there without it.
        kind: dict[str, Any] = {"type": "log"} if self.log else {"type": "linear", "zero": False}
        return {**kind, "domain": [self.low, self.high], "nice": False}

    @property
    def axis(self) -> dict[str, Any]:
        """Return Vega-Lite's axis, without its title."""
        axis: dict[str, Any] = {"titleLimit": 300}
        if self.ticks:
            axis |= {"values": list(self.ticks)}
        if self.log or max(abs(self.low), abs(self.high)) < 1e-3:
            axis |= {"format": "~g"}
        return axis

    def channel(self, field: str, title: str | None = None, y2: str | None = None) -> dict[str, Any]:
        """Return the channels of a value, or of a band from ``field`` to ``y2``."""
        encoding: dict[str, Any] = {
            "y": {"field": field, "type": "quantitative", "scale": self.scale, "axis": self.axis}
        }
        encoding["y"] |= {"title": title} if title is not None else {}
        return encoding | ({"y2": {"field": y2}} if y2 else {})

    def place(self, value: float) -> float:
        """Return a value's height on the scale, from 0 to 1, also beyond its ends."""
        if self.log:
            return math.log(max(value, 1e-300) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def value(self, place: float) -> float:
        """Return the value at a height from 0 to 1."""
        if self.log:
            return float(self.low * (self.high / self.low) ** place)
        return self.low + place * (self.high - self.low)


def error_scale(errors: Iterable[float]) -> ValueScale:
    """Return the scale of errors in per cent: logarithmic if they span nearly a decade and none is zero."""
    values = list(errors)
    low, high = min(values, default=0.0), max(values, default=100.0)
    return _log(low, high) if low > 0 and high / low > LOG_SPAN else _linear(low, high)


def value_scale(values: Iterable[float], least_span: float = 0.0, *, may_be_log: bool = False) -> ValueScale:
    """Return the scale of any other quantity.

    Args:
        values: all that is drawn, bands included.
        least_span: smaller differences are rounding, and must not fill a chart.
        may_be_log: True if positive values over two powers of ten or more get a logarithmic scale.

    """
    found = list(values)
    low, high = min(found, default=0.0), max(found, default=1.0)
    if high - low <= least_span:
        largest = max(abs(low), abs(high))
        return (
            ValueScale(0.0, 1.0) if largest <= least_span else ValueScale(min(0.0, low * 1.05), max(0.0, high * 1.05))
        )
    if may_be_log and low > 0 and high / low > 10**SHARED_DECADES:
        return _log(low, high)
    return _linear(low, high)


def angle_scale(values: Iterable[float], least_span: float) -> ValueScale:
    """Return the scale of angles in degrees: from zero, with ticks at every 30 where they are large."""
    found = list(values)
    high = max(found, default=90.0)
    if max(found, default=0.0) <= least_span:
        return ValueScale(0.0, 1.0)
    top = min(180.0, high * (1 + MARGIN))
    ticks = tuple(ANGLE_STEP * i for i in range(7) if ANGLE_STEP * i <= top) if top > 2 * ANGLE_STEP else ()
    return ValueScale(min(0.0, *found), short(top), ticks=ticks)


def _linear(low: float, high: float) -> ValueScale:
    margin = MARGIN * (high - low) or 0.5 * abs(high) or 1.0
    # A quantity that cannot be negative gets no negative axis.
    bottom = max(0.0, low - margin) if low >= 0 else low - margin
    return ValueScale(short(bottom), short(high + margin))


def _log(low: float, high: float) -> ValueScale:
    bottom, top = short(low / 1.12), short(high * 1.12)
    return ValueScale(bottom, top, log=True, ticks=log_ticks(bottom, top))


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """Return powers of ten, on a short axis with 2 and 5 times them."""
    digits: Sequence[int] = (1,) if math.log10(high / low) > SHARED_DECADES else (1, 2, 5)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = (float(f"{digit}e{power}") for power in powers for digit in digits)
    return tuple(tick for tick in ticks if low <= tick <= high)
