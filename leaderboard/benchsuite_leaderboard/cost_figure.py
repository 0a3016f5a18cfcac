"""The figure of the front page: error against cost on one hardware class, drawn without a script."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from benchsuite.results.board_plan import FORMS
from benchsuite.results.chance import chance_error
from benchsuite.results.model import TrackTable
from benchsuite.results.pareto import ParetoPoint, pareto_front, pareto_points
from benchsuite_leaderboard.board import form_of
from benchsuite_leaderboard.matrix import main_rows
from benchsuite_leaderboard.names import RuleNames

MOST_CHOICES = 6
"""Most figures to choose from; the style sheet has a rule for each."""
FEWEST_POINTS = 2
PLOT_WIDTH, PLOT_HEIGHT = 300.0, 250.0
"""Smallest size of the plot in pixels, on a phone: labels that are free there are free on every screen."""
LETTER, LINE = 8.0, 13.0
"""Width and height of a label's letter in pixels; most are capitals."""
ROUNDS = 6
"""Most rounds of moving labels out of each other's way."""
NEAR = 9.0
"""Distance of a label from its point."""
SIDES: Mapping[str, tuple[int, int]] = {
    "right": (1, 0),
    "left": (-1, 0),
    "above": (0, -1),
    "below": (0, 1),
    "right above": (1, -1),
    "right below": (1, 1),
    "left above": (-1, -1),
    "left below": (-1, 1),
}
"""Sides of a point on which its label may be: direction to the right and downwards, the best first."""


@dataclass(frozen=True)
class Mark:
    """One point of the figure; places are in per cent from the left and from the top."""

    rule: str
    x: float
    y: float
    place: str
    """Side of the label, one of ``SIDES``."""
    on_front: bool
    error: float
    step_time_ms: float
    address: str


@dataclass(frozen=True)
class Tick:
    """One tick of an axis."""

    place: float
    words: str


@dataclass(frozen=True)
class CostFigure:
    """Error against time per step, for one table and hardware class."""

    title: str
    hardware_class: str
    marks: tuple[Mark, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    front: str
    """The Pareto front as the points of an SVG polyline on a square of 100 by 100."""
    chance: float | None
    """Place of the chance level; None if it is outside."""


@dataclass(frozen=True)
class _Axis:
    """A logarithmic axis from 0 to 100 per cent."""

    low: float
    high: float

    def place(self, value: float) -> float:
        return 100 * math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> Iterator[float]:
        steps: Sequence[float] = (1, 2, 5) if self.high / self.low > 6 else (1, 1.5, 2, 3, 4, 5, 7)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for power in range(first, last + 1):
            yield from (v for s in steps if self.low <= (v := s * 10.0**power) <= self.high)


def cost_figures(columns: Iterable[tuple[str, Iterable[TrackTable]]], names: RuleNames) -> list[CostFigure]:
    """Return a figure for each table and hardware class with two timed rules or more, those with most first.

    Args:
        columns: title and tables of each task.
        names: names of rules, whose lengths decide where labels fit.

    """
    found = [
        _figure(words, table, hardware_class, points, names)
        for title, tables in columns
        for words, table in _titled(title, tuple(tables))
        for hardware_class in sorted({row.hardware_class for row in table.rows})
        if len(points := _timed(table, hardware_class)) >= FEWEST_POINTS
    ]
    return sorted(found, key=lambda figure: -len(figure.marks))[:MOST_CHOICES]


def _titled(title: str, tables: Sequence[TrackTable]) -> Iterator[tuple[str, TrackTable]]:
    """Yield a task's tables, each titled so that forms of one task can be told apart."""
    forms = {form_of(table) for table in tables}
    for table in tables:
        form = form_of(table)
        yield (title if len(forms) == 1 or form == FORMS[0] else f"{title}, {form} form"), table


def _timed(table: TrackTable, hardware_class: str) -> list[tuple[str, ParetoPoint]]:
    """Return rule and point of the rows that stand for their rules on a hardware class and whose steps were timed."""
    here = replace(table, rows=tuple(row for row in table.rows if row.hardware_class == hardware_class))
    rules = {row.row_id: rule for rule, row in main_rows(here).items()}
    points = pareto_points(here, hardware_class)
    return [(rules[p.row_id], p) for p in points if p.row_id in rules and p.step_time_ms and p.error > 0]


def _figure(
    title: str, table: TrackTable, hardware_class: str, rules: Sequence[tuple[str, ParetoPoint]], names: RuleNames
) -> CostFigure:
    costs = [point.step_time_ms or 0.0 for _, point in rules]
    errors = [point.error for _, point in rules]
    across = _Axis(min(costs) / 1.15, max(costs) * 1.25)
    up = _Axis(min(errors) / 1.3, max(errors) * 1.3)
    front = pareto_front([point for _, point in rules], "step_time_ms")
    on_front = {point.row_id for point in front}
    places = {p.row_id: (across.place(p.step_time_ms or 0.0), 100 - up.place(p.error)) for _, p in rules}
    corners = _steps([places[point.row_id] for point in front])
    labels = _place_labels([(names.short(rule), *places[point.row_id]) for rule, point in rules], corners)
    marks = tuple(
        Mark(
            rule=rule,
            x=round(places[point.row_id][0], 2),
            y=round(places[point.row_id][1], 2),
            place=label,
            on_front=point.row_id in on_front,
            error=point.error,
            step_time_ms=point.step_time_ms or 0.0,
            address=f"tracks/{table.track}.html#row-{point.row_id}",
        )
        for (rule, point), label in zip(rules, labels, strict=True)
    )
    chance = chance_error(table.classes)
    return CostFigure(
        title=title,
        hardware_class=hardware_class,
        marks=marks,
        x_ticks=tuple(Tick(round(across.place(v), 2), f"{v:g}") for v in across.ticks()),
        y_ticks=tuple(Tick(round(100 - up.place(v), 2), f"{100 * v:g}") for v in up.ticks()),
        front=" ".join(f"{x:.2f},{y:.2f}" for x, y in corners),
        chance=round(100 - up.place(chance), 2) if chance and up.low <= chance <= up.high else None,
    )


def _steps(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the front as steps: between two points, no rule is known that costs less."""
    corners: list[tuple[float, float]] = []
    for x, y in places:
        if corners:
            corners.append((x, corners[-1][1]))
        corners.append((x, y))
    return corners


def _place_labels(points: Sequence[tuple[str, float, float]], line: Sequence[tuple[float, float]]) -> list[str]:
    """Return the side of each label on which it covers least.

    Args:
        points: text, and place in per cent, of each point.
        line: corners of the front in per cent; a label over it would look crossed out.

    """
    centres = [(x * PLOT_WIDTH / 100, y * PLOT_HEIGHT / 100) for _, x, y in points]
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in centres]
    corners = [(x * PLOT_WIDTH / 100, y * PLOT_HEIGHT / 100) for x, y in line]
    for (x, y), (to_x, to_y) in itertools.pairwise(corners):
        taken.append((min(x, to_x) - 1, min(y, to_y) - 1, max(x, to_x) + 1, max(y, to_y) + 1))
    boxes = [
        {side: _label_box(x, y, LETTER * len(text), *way) for side, way in SIDES.items()}
        for (text, _, _), (x, y) in zip(points, centres, strict=True)
    ]
    alone = [
        {side: sum(_overlap(box, other) for other in taken) + _outside(box) for side, box in at.items()} for at in boxes
    ]
    chosen = [min(at, key=at.__getitem__) for at in alone]

    def covered(sides: Mapping[int, str]) -> float:
        """Return what some labels cover on other sides than now."""
        others = [at[side] for number, (at, side) in enumerate(zip(boxes, chosen, strict=True)) if number not in sides]
        moved = [boxes[number][side] for number, side in sides.items()]
        among = sum(itertools.starmap(_overlap, itertools.combinations(moved, 2)))
        fixed = sum(alone[number][side] for number, side in sides.items())
        return fixed + among + sum(_overlap(box, other) for box in moved for other in others)

    numbers = range(len(points))
    for _ in range(ROUNDS):
        before = list(chosen)
        for number in numbers:
            by_side = {side: covered({number: side}) for side in SIDES}
            chosen[number] = min(by_side, key=by_side.__getitem__)
        # Two that cover each other are moved together: each alone may have no better side.
        for one, other in itertools.combinations(numbers, 2):
            if _overlap(boxes[one][chosen[one]], boxes[other][chosen[other]]):
                by_sides = {way: covered({one: way[0], other: way[1]}) for way in itertools.product(SIDES, SIDES)}
                chosen[one], chosen[other] = min(by_sides, key=by_sides.__getitem__)
        if chosen == before:
            break
    return chosen


_Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""


def _label_box(x: float, y: float, width: float, right: int, down: int) -> _Box:
    """Return the place of a label beside a point; diagonally it is as near above or below, and starts at the point."""
    away = 2.0 if down else NEAR
    left = {0: x - width / 2, 1: x + away, -1: x - away - width}[right]
    top = y + down * (NEAR + LINE / 2) - LINE / 2
    return left, top, left + width, top + LINE


def _overlap(one: _Box, other: _Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _outside(box: _Box) -> float:
    return 10 * (max(0.0, -box[0]) + max(0.0, -box[1]) + max(0.0, box[2] - PLOT_WIDTH) + max(0.0, box[3] - PLOT_HEIGHT))
