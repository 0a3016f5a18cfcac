"""Charts of one run: errors, losses and diagnostics over epochs."""

from __future__ import annotations

from collections.abc import Mapping
from operator import attrgetter

from benchsuite.records.model import RunRecord
from benchsuite.results.curves import Epoch, forward_order, segment_order, values_by_segment
from benchsuite.results.formatting import axis_title, quantity
from benchsuite_leaderboard.charts.diagnostics import diagnostic_scale
from benchsuite_leaderboard.charts.run_text import RunChart, run_chart, run_lines
from benchsuite_leaderboard.charts.scales import ValueScale, error_scale, value_scale
from benchsuite_leaderboard.charts.vega import evenly, short

WHOLE = "whole network"

RUNNING = "while training"
SETS = ("test", "held out", "training set", RUNNING)
"""Lines of error and loss, in the order in which they are drawn."""


def error_and_loss(record: RunRecord, budget: int) -> list[RunChart]:
    """Draw test, training and running error, and the losses, over epochs; unmeasured curves are left out.

    Args:
        record: the run.
        budget: number of points in all curves together; longer curves are thinned out evenly.

    """
    errors: dict[str, dict[int, float]] = {label: {} for label in SETS}
    losses: dict[str, dict[int, float]] = {label: {} for label in SETS}
    for each in sorted(record.epochs, key=attrgetter("epoch")):
        epoch = each.epoch
        for label, found in zip(SETS, (each.test, each.validation, each.train), strict=False):
            if found:
                errors[label][epoch] = 100 * found.error
                losses[label][epoch] = found.loss
        errors[RUNNING][epoch] = 100 * each.running_error
        if each.running_loss is not None:
            losses[RUNNING][epoch] = each.running_loss
    charts = [
        _chart("run-error", "Error (%)", "Error (%)", errors, budget // 2, "error"),
        _chart("run-loss", "Loss", "Loss", losses, budget // 2, "loss"),
    ]
    return [chart for chart in charts if chart]


def diagnostics(record: RunRecord, budget: int) -> list[RunChart]:
    """Draw every diagnostic over epochs, one line per segment in forward order; arguments as above."""
    values = values_by_segment(record)
    order = segment_order([record])
    segments: dict[str, list[str | None]] = {}
    for name, segment in sorted(values, key=lambda key: forward_order(key, order)):
        segments.setdefault(name, []).append(segment)
    charts = []
    for number, (name, measured) in enumerate(segments.items()):
        lines = {WHOLE if segment is None else segment: values[name, segment] for segment in evenly(measured)}
        drawn = _chart(
            f"run-diagnostic-{number}", quantity(name), axis_title(name), lines, budget // len(segments), name
        )
        charts += [drawn] if drawn else []
    return charts


def _chart(
    chart_id: str, title: str, axis: str, lines: Mapping[str, Mapping[Epoch, float]], budget: int, kind: str
) -> RunChart | None:
    measured = {label: points for label, points in lines.items() if points}
    if not measured:
        return None
    drawn = run_lines(measured, max(4, min(200, budget // len(measured))))
    values = [value for line in drawn for _, value in line.points]
    return run_chart(chart_id, title, axis, drawn, _scale(kind, (short(min(values)), short(max(values)))))


def _scale(kind: str, extremes: tuple[float, float]) -> ValueScale:
    if kind == "error":
        return error_scale(extremes)
    if kind == "loss":
        return value_scale(extremes, may_be_log=True)
    return diagnostic_scale(kind, extremes)
