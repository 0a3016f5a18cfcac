"""Charts of one run as Vega-Lite specs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from benchsuite.records.model import RunRecord
from benchsuite.results.curves import Epoch, measured_values, segment_order
from benchsuite.results.formatting import axis_title, quantity
from benchsuite_leaderboard.charts.diagnostics import diagnostic_scale
from benchsuite_leaderboard.charts.lines import curve_layers, curve_tooltip, name_layers, single_run_values, table_frame
from benchsuite_leaderboard.charts.rows import Series, plain_series
from benchsuite_leaderboard.charts.scales import ValueScale, error_scale, value_scale
from benchsuite_leaderboard.charts.vega import Chart, evenly

WHOLE = "whole network"
HEIGHT = 180


def error_and_loss(record: RunRecord, budget: int) -> list[Chart]:
    """Draw test, training and running error, and the losses, over epochs; unmeasured curves are left out.

    Args:
        record: the run.
        budget: number of points in all curves together; longer curves are thinned out evenly.

    """
    epochs = sorted(record.epochs, key=lambda e: e.epoch)
    errors = {
        "test": {e.epoch: 100 * e.test.error for e in epochs if e.test},
        "held out": {e.epoch: 100 * e.validation.error for e in epochs if e.validation},
        "training set": {e.epoch: 100 * e.train.error for e in epochs if e.train},
        "while training": {e.epoch: 100 * e.running_error for e in epochs},
    }
    losses = {
        "test": {e.epoch: e.test.loss for e in epochs if e.test},
        "held out": {e.epoch: e.validation.loss for e in epochs if e.validation},
        "training set": {e.epoch: e.train.loss for e in epochs if e.train},
        "while training": {e.epoch: e.running_loss for e in epochs if e.running_loss is not None},
    }
    charts = [
        _chart("run-error", "Error (%)", "Error (%)", errors, budget // 2, "error"),
        _chart("run-loss", "Loss", "Loss", losses, budget // 2, "loss"),
    ]
    return [chart for chart in charts if chart]


def diagnostics(record: RunRecord, budget: int) -> list[Chart]:
    """Draw every diagnostic over epochs, one line per segment in forward order; arguments as above."""
    found: dict[str, dict[str | None, dict[float, float]]] = {}
    for diagnostic, segment, epoch, value in measured_values(record):
        found.setdefault(diagnostic, {}).setdefault(segment, {})[epoch] = value
    order = segment_order([record])
    charts = []
    for number, (name, segments) in enumerate(sorted(found.items())):
        chosen = evenly(sorted(segments, key=lambda s: (s is None, order.get(s or "", len(order)), s or "")))
        lines = {WHOLE if s is None else s: segments[s] for s in chosen}
        drawn = _chart(f"run-diagnostic-{number}", quantity(name), axis_title(name), lines, budget // len(found), name)
        charts += [drawn] if drawn else []
    return charts


def _chart(
    chart_id: str, title: str, axis: str, lines: Mapping[str, Mapping[Epoch, float]], budget: int, kind: str
) -> Chart | None:
    measured = {label: points for label, points in lines.items() if points}
    if not measured:
        return None
    most = max(4, min(200, budget // len(measured)))
    series, frame = _empty_frame(tuple(measured))
    values = [value for label, points in measured.items() for value in single_run_values(points, series[label], most)]
    scale = _scale(kind, values)
    layers = curve_layers(series, values, scale, axis, curve_tooltip(axis, band=False, what="of"))
    if len(series) > 1:
        layers += name_layers(series, values, scale, frame["height"])
    return Chart(chart_id, title, {**frame, "data": {"values": values}, "layer": layers})


@lru_cache(maxsize=256)  # the runs of a track have the same lines
def _empty_frame(labels: tuple[str, ...]) -> tuple[Mapping[str, Series], Mapping[str, Any]]:
    series = plain_series(labels)
    return series, table_frame(series, HEIGHT, named=len(series) > 1)


def _scale(kind: str, values: list[dict[str, float]]) -> ValueScale:
    if kind == "error":
        return error_scale(value["m"] for value in values)
    if kind == "loss":
        return value_scale((value["m"] for value in values), may_be_log=True)
    return diagnostic_scale(kind, values)
