"""Curves over training: mean and range over seeds, only at epochs that every seed measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import attrgetter
from typing import TypeVar

from benchsuite.records.model import RunRecord
from benchsuite.results.model import CurvePoint, SegmentCurve

Point = TypeVar("Point")
Epoch = TypeVar("Epoch", bound=float)


def test_curve(record: RunRecord) -> dict[int, float]:
    """Return the test error by epoch, in order of epochs, up to where this run stopped."""
    measured = {e.epoch: e.test.error for e in record.epochs if e.test is not None}
    return dict(sorted(measured.items()))


def mean_curve(curves: Sequence[Mapping[Epoch, float]]) -> tuple[CurvePoint, ...]:
    """Average several runs epoch by epoch, only at the epochs that all of them measured.

    A mean over only the runs that continue would jump where one ends, and would describe other seeds than the rest of
    the line.
    """
    if not curves:
        return ()
    shared = sorted(set(curves[0]).intersection(*curves[1:]))
    return tuple(_point(epoch, [c[epoch] for c in curves]) for epoch in shared)


def with_times(points: Sequence[CurvePoint], records: Sequence[RunRecord]) -> tuple[CurvePoint, ...]:
    """Add the training time up to each point, averaged over the runs.

    Args:
        points: points at epochs that every run finished.
        records: the runs that were averaged.

    """
    if not points:
        return ()
    times = [_elapsed(record) for record in records]
    return tuple(replace(point, time_s=sum(t[point.epoch] for t in times) / len(times)) for point in points)


def _elapsed(record: RunRecord) -> dict[float, float]:
    epochs = sorted(record.epochs, key=lambda e: e.epoch)
    return dict(zip((e.epoch for e in epochs), accumulate(e.train_time_s for e in epochs), strict=True))


def measured_values(record: RunRecord) -> Iterator[tuple[str, str | None, float, float]]:
    """Yield each diagnostic's defined values as (diagnostic, segment, epochs finished, value), also within epochs."""
    for value in record.diagnostics:
        if value.value is not None:
            yield value.diagnostic, value.segment, value.epoch, value.value
    yield from _values_within_epochs(record)


def _values_within_epochs(record: RunRecord) -> Iterator[tuple[str, str | None, float, float]]:
    if record.data is not None:
        steps = record.spec.protocol.steps_per_epoch(record.data.train_examples)
        for found in record.step_diagnostics:
            if found.value is not None:
                yield found.diagnostic, found.segment, found.step / steps, found.value


_PARTS = attrgetter("diagnostic", "segment", "epoch", "value")


def values_by_segment(record: RunRecord) -> dict[tuple[str, str | None], dict[float, float]]:
    """Return the values of ``measured_values`` by epochs finished, for each diagnostic and segment."""
    found: defaultdict[tuple[str, str | None], dict[float, float]] = defaultdict(dict)
    for diagnostic, segment, epoch, value in map(_PARTS, record.diagnostics):  # a site has millions of values
        if value is not None:
            found[diagnostic, segment][epoch] = value
    for diagnostic, segment, epoch, value in _values_within_epochs(record):
        found[diagnostic, segment][epoch] = value
    return dict(found)


def diagnostic_curves(records: Sequence[RunRecord]) -> tuple[SegmentCurve, ...]:
    """Average every diagnostic over runs, per segment and epoch; an undefined value leaves a gap.

    Returns:
        Curves by diagnostic, then in the forward order of segments, with the whole network last.
    """
    measured = [values_by_segment(record) for record in records]
    order = segment_order(records)
    keys = sorted({key for of_run in measured for key in of_run}, key=lambda key: forward_order(key, order))
    curves = (SegmentCurve(*key, mean_curve([of_run.get(key, {}) for of_run in measured])) for key in keys)
    return tuple(c for c in curves if c.points)


def forward_order(key: tuple[str, str | None], order: Mapping[str, int]) -> tuple[str, bool, int, str]:
    """Return a key that sorts by diagnostic, then in the forward order of segments, with the whole network last.

    Args:
        key: diagnostic and segment.
        order: from ``segment_order``.

    """
    diagnostic, segment = key
    return diagnostic, segment is None, order.get(segment or "", len(order)), segment or ""


def segment_order(records: Sequence[RunRecord]) -> dict[str, int]:
    """Return each segment's index in the forward order."""
    order: dict[str, int] = {}
    for record in records:
        for name in record.network.segments if record.network else ():
            order.setdefault(name, len(order))
    return order


def thin(points: Sequence[Point], most: int) -> list[Point]:
    """Return at most ``most`` of the points, evenly spaced, including the first and the last."""
    if len(points) <= most or most < 2:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(i * step)] for i in range(most)]


def _point(epoch: float, values: Sequence[float]) -> CurvePoint:
    return CurvePoint(epoch, sum(values) / len(values), min(values), max(values))
