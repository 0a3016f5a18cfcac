"""Trade-offs of error against cost: the rows of a table as points, and those that no other row beats in both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from benchsuite.results.model import TrackTable

Axis = Literal["step_time_ms", "total_time_s", "memory_mib"]
"""Time per step; time of the whole training, tuning included where it is known; peak memory."""


@dataclass(frozen=True)
class ParetoPoint:
    """One row's error and costs; a cost that was not measured is None."""

    row_id: str
    label: str
    error: float
    """Mean test error, a fraction."""
    step_time_ms: float | None
    total_time_s: float | None
    memory_mib: float | None

    def cost(self, axis: Axis) -> float | None:
        """Return the cost on one axis."""
        found: float | None = getattr(self, axis)
        return found


def pareto_points(
    table: TrackTable, hardware_class: str, tuning_time_s: Mapping[str, float | None] | None = None
) -> list[ParetoPoint]:
    """Return the complete rows of one hardware class that have any cost, by label.

    Args:
        table: the rows; one with a failed seed is left out, as it has no rank.
        hardware_class: costs are compared within one class.
        tuning_time_s: seconds that tuning took, by id of each tuned row; added to the time of training. None if they
            are not known: such a row has no total.

    """
    tuning = tuning_time_s or {}
    found = []
    for row in sorted(table.rows, key=lambda row: (row.label, row.row_id)):
        if not row.complete or row.test_error is None or row.hardware_class != hardware_class:
            continue
        training, searching = row.cost.training_time_s, tuning.get(row.row_id, 0.0)
        total = None if training is None or searching is None else training + searching
        point = ParetoPoint(
            row.row_id, row.label, row.test_error.mean, row.cost.step_time_ms, total, row.peak_memory_mib
        )
        if any(point.cost(axis) is not None for axis in ("step_time_ms", "total_time_s", "memory_mib")):
            found.append(point)
    return found


def pareto_front(points: list[ParetoPoint], axis: Axis) -> list[ParetoPoint]:
    """Return the points that no other beats: none has a lower error at no higher cost, nor a lower cost at no higher
    error; the cheapest first.
    """
    priced = [(cost, point) for point in points if (cost := point.cost(axis)) is not None]
    front: list[tuple[float, ParetoPoint]] = []
    for cost, point in sorted(priced, key=lambda pair: (pair[0], pair[1].error, pair[1].label)):
        if not front or point.error < front[-1][1].error or (cost, point.error) == (front[-1][0], front[-1][1].error):
            front.append((cost, point))
    return [point for _, point in front]
