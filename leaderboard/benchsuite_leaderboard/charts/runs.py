"""Charts of one run as Vega-Lite specs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchsuite.records.model import RunRecord
from benchsuite.results.curves import Epoch, measured_values, segment_order, thin
from benchsuite.results.formatting import axis_title, quantity
from benchsuite_leaderboard.charts.vega import DASHES, PALETTE, Chart, evenly, frame_size, short, x_axis

WHOLE = "whole network"


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
        _chart("run-error", "Error (%)", "error (%)", errors, budget // 2),
        _chart("run-loss", "Loss", "loss", losses, budget // 2),
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
        drawn = _chart(f"run-diagnostic-{number}", quantity(name), axis_title(name), lines, budget // len(found))
        charts += [drawn] if drawn else []
    return charts


def _chart(
    chart_id: str, title: str, axis: str, lines: Mapping[str, Mapping[Epoch, float]], budget: int
) -> Chart | None:
    measured = {label: points for label, points in lines.items() if points}
    if not measured:
        return None
    most = max(4, min(200, budget // len(measured)))
    values = [v for label, points in measured.items() for v in _values(label, points, most)]
    labels = list(measured)
    return Chart(chart_id, title, {**frame_size(180), "data": {"values": values}, **_line(labels, axis, values)})


def _values(label: str, points: Mapping[Epoch, float], most: int) -> Iterable[dict[str, Any]]:
    return ({"s": label, "e": epoch, "m": short(value)} for epoch, value in thin(sorted(points.items()), most))


def _line(labels: Sequence[str], axis: str, values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    colors = {"domain": labels, "range": [PALETTE[i % len(PALETTE)] for i in range(len(labels))]}
    dashes = {"domain": labels, "range": [DASHES[i // len(PALETTE) % len(DASHES)] for i in range(len(labels))]}
    # No title: the page has text above the chart. One line needs no legend.
    legend = {"title": None, "orient": "bottom", "columns": 4, "labelLimit": 160} if len(labels) > 1 else None
    return {
        "mark": {"type": "line", "strokeWidth": 1.8, "point": len({v["e"] for v in values}) <= 15},
        "encoding": {
            "x": x_axis("e", "Epoch", "d"),
            "y": {"field": "m", "type": "quantitative", "title": axis, "scale": {"zero": False}},
            "color": {"field": "s", "type": "nominal", "scale": colors, "legend": legend, "sort": None},
            "strokeDash": {"field": "s", "type": "nominal", "scale": dashes, "legend": legend, "sort": None},
            "tooltip": [
                {"field": "s", "title": "of", "type": "nominal"},
                {"field": "e", "title": "epoch", "type": "quantitative"},
                {"field": "m", "title": axis, "type": "quantitative"},
            ],
        },
    }
