"""Curves of a run as one SVG file, which MLflow shows among its artifacts.

Written by hand, since the mirror writes beside training: matplotlib takes 0.1 s of a core per run, and a second to
import.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from benchsuite.records.model import EpochMetrics, RunRecord, SetMetrics

WIDTH, HEIGHT = 440, 250
"""Of a panel in pixels, with its title and axes."""
LEFT, RIGHT, TOP, BOTTOM = 52, 110, 34, 36
"""Room around a panel's plot; on the right for the names at the lines' ends."""
COLUMNS = 2
MOST_PANELS = 8
MOST_CURVES = 8
RIGHT_ANGLE = 90.0
LINE = 13
"""Height of a line of text."""
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#7f7f7f")
"""Okabe and Ito's, which differ for colour-blind readers too."""
DASHES = ("", "6 3", "2 2", "8 3 2 3")

Points = Sequence[tuple[int, float]]
"""Epoch and value, in this order."""


@dataclass(frozen=True)
class Panel:
    """A plot of some curves over epochs."""

    title: str
    curves: tuple[tuple[str, Points], ...]
    is_logarithmic: bool = False


@dataclass(frozen=True)
class _Axis:
    """Map values to pixels."""

    low: float
    high: float
    start: float
    end: float
    is_logarithmic: bool = False

    def place(self, value: float) -> float:
        low, high, value = (math.log(v) if self.is_logarithmic else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return round numbers within the axis: 1, 2 and 5 per decade, or about five steps of such a size."""
        if self.is_logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            steps = (1, 2, 5) if self.high / self.low < 300 else (1,)
            return [tick for power in powers for step in steps if self.low <= (tick := step * 10.0**power) <= self.high]
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        size = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
        return [size * n for n in range(math.ceil(self.low / size), math.floor(self.high / size) + 1)]


def curves_svg(record: RunRecord) -> str:
    """Return errors, losses and diagnostics over epochs as one drawing; empty if the run measured none."""
    panels = list(_panels(record))[:MOST_PANELS]
    if not panels:
        return ""
    rows = math.ceil(len(panels) / COLUMNS)
    width, height = WIDTH * min(COLUMNS, len(panels)), HEIGHT * rows
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        row, column = divmod(number, COLUMNS)
        parts += [f'<g transform="translate({column * WIDTH} {row * HEIGHT})">', *_drawn(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panels(record: RunRecord) -> Iterator[Panel]:
    sets: dict[str, Callable[[EpochMetrics], SetMetrics | None]] = {
        "test": lambda e: e.test,
        "validation": lambda e: e.validation,
        "training": lambda e: e.train,
    }
    errors, losses = [], []
    for name, of_epoch in sets.items():
        measured = [(e.epoch, found) for e in record.epochs if (found := of_epoch(e))]
        errors.append((name, [(epoch, 100 * found.error) for epoch, found in measured]))
        losses.append((name, [(epoch, found.loss) for epoch, found in measured]))
    errors.append(("while training", _running(record.epochs, "running_error", 100)))
    losses.append(("while training", _running(record.epochs, "running_loss", 1)))
    yield from _panel("Error (%)", errors, prefers_logarithm=True)
    yield from _panel("Loss", losses)
    for diagnostic in dict.fromkeys(value.diagnostic for value in record.diagnostics):
        segments: dict[str, list[tuple[int, float]]] = {}
        for value in record.diagnostics:
            if value.diagnostic == diagnostic and value.value is not None:
                segments.setdefault(value.segment or "whole network", []).append((value.epoch, value.value))
        yield from _panel(diagnostic.replace("_deg", " (°)").replace("_", " ").capitalize(), segments.items())


def _running(epochs: Iterable[EpochMetrics], field: str, factor: float) -> list[tuple[int, float]]:
    return [(e.epoch, factor * value) for e in epochs if (value := getattr(e, field)) is not None]


def _panel(title: str, curves: Iterable[tuple[str, Points]], *, prefers_logarithm: bool = False) -> Iterator[Panel]:
    finite = ((name, [point for point in points if math.isfinite(point[1])]) for name, points in curves)
    kept = tuple((name, points) for name, points in finite if points)[:MOST_CURVES]
    if kept:
        positive = all(value > 0 for _, points in kept for _, value in points)
        yield Panel(title, kept, prefers_logarithm and positive)


def _drawn(panel: Panel) -> Iterator[str]:
    values = [value for _, points in panel.curves for _, value in points]
    if panel.title.endswith("(°)"):
        values += [0.0, RIGHT_ANGLE]  # else rounding errors of a zero angle would fill the plot
    epochs = [epoch for _, points in panel.curves for epoch, _ in points]
    across = _Axis(min(epochs), max(max(epochs), min(epochs) + 1), LEFT, WIDTH - RIGHT)
    up = _Axis(*_range(values, panel.is_logarithmic), HEIGHT - BOTTOM, TOP, panel.is_logarithmic)
    scale = ", logarithmic" if panel.is_logarithmic else ""
    yield f'<text x="{LEFT}" y="18" font-size="13" font-weight="bold">{escape(panel.title)}{scale}</text>'
    for tick in up.ticks():
        y = up.place(tick)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:.4g}</text>'
    for tick in across.ticks():
        if tick == round(tick):
            x = f"{across.place(tick):.1f}"
            yield f'<text x="{x}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{tick:.0f}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - BOTTOM + 30}" text-anchor="middle">epoch</text>'
    yield f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#555555"/>'
    ends = [up.place(points[-1][1]) for _, points in panel.curves]
    for number, ((name, points), y) in enumerate(zip(panel.curves, _apart(ends), strict=True)):
        color, dash = COLORS[number % len(COLORS)], DASHES[number % len(DASHES)]
        path = " ".join(f"{across.place(epoch):.1f},{up.place(value):.1f}" for epoch, value in points)
        yield (
            f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8" stroke-dasharray="{dash}" '
            'stroke-linecap="round"/>'
        )
        x, end = path.rpartition(" ")[2].split(",")
        yield f'<circle cx="{x}" cy="{end}" r="2.5" fill="{color}"/>'
        yield f'<text x="{WIDTH - RIGHT + 7}" y="{y + 4:.1f}" fill="{color}">{escape(name[:16])}</text>'


def _range(values: Sequence[float], is_logarithmic: bool) -> tuple[float, float]:
    """Return the ends of an axis with a little room; at equal values, room for one of them in the middle."""
    low, high = min(values), max(values)
    if is_logarithmic:
        return low / 1.15, high * 1.15
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return (0.0 if 0 <= low <= 2 * room else low - room), high + room


def _apart(places: Sequence[float]) -> list[float]:
    """Return heights for names that cover none of the others, each near its own place."""
    shown = list(places)
    order = sorted(range(len(places)), key=lambda n: places[n])
    pairs = list(itertools.pairwise(order))
    for above, below in pairs:
        shown[below] = max(shown[below], shown[above] + LINE)
    shown[order[-1]] = min(shown[order[-1]], HEIGHT - BOTTOM)
    for above, below in reversed(pairs):
        shown[above] = min(shown[above], shown[below] - LINE)
    return shown
