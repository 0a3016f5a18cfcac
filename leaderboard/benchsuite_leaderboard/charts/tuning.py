"""Charts of tunings: error against learning rate per rule, and the best error to expect from fewer trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchsuite.results.model import BASELINE_RULE
from benchsuite.results.tuning_curves import UNKNOWN_ERROR, error_by_rate, expected_best
from benchsuite.results.tuning_summary import TunedRule, TuningTable
from benchsuite.specs.models.tuning import RATE
from benchsuite_leaderboard.charts.rows import dash_channel
from benchsuite_leaderboard.charts.vega import BASELINE_COLOR, DASHES, PALETTE, Chart, Series, frame_size, short

LOG_SPAN = 8
"""Ratio of the largest to the smallest error from which the axis is logarithmic, as for learning curves."""

FAILED_AT = 8
"""Distance of the marks of failed trials from the chart's upper edge, in pixels: they have no error."""

RATE_AXIS: dict[str, Any] = {"format": "~e", "values": [10.0**power for power in range(-8, 4)], "labelOverlap": True}


def tuning_series(table: TuningTable) -> dict[str, Series]:
    """Assign each rule, by its label, a colour and a dash that do not depend on results."""
    series: dict[str, Series] = {}
    others = 0
    for rule in sorted(table.rules, key=lambda rule: rule.label):
        is_baseline = rule.label == BASELINE_RULE
        color = BASELINE_COLOR if is_baseline else PALETTE[others % len(PALETTE)]
        dash = DASHES[0] if is_baseline else DASHES[others // len(PALETTE) % len(DASHES)]
        others += not is_baseline
        series[rule.label] = Series(len(series), rule.label, color, dash)
    return series


def rate_charts(table: TuningTable) -> list[Chart]:
    """Draw each rule's validation error against the learning rate, on the same axes for all rules.

    A ring marks the chosen trial, a cross at the upper edge one that diverged or failed, a dashed line the rate of
    the published settings, and a band the rates that stay near the best.
    """
    series = tuning_series(table)
    errors = [e for rule in table.rules for p in error_by_rate(rule.record) if (e := p.error) is not None]
    scale = _error_scale(errors)
    return [
        Chart(f"rate-{table.table_id}-{place}", rule.label, _rate_spec(rule, series[rule.label], scale))
        for place, rule in enumerate(table.rules, start=1)
    ]


def _rate_spec(rule: TunedRule, series: Series, scale: dict[str, Any]) -> dict[str, Any]:
    searched = rule.record.spec.space[0]
    values, failed = [], []
    for trial in sorted(rule.record.sampled, key=lambda trial: float(trial.settings[RATE])):
        others = ", ".join(
            f"{field.rpartition('.')[2]} {value:g}" for field, value in trial.settings.items() if field != RATE
        )
        value: dict[str, Any] = {"x": float(trial.settings[RATE]), "n": trial.number + 1, "s": trial.status}
        value |= {"o": others} if others else {}
        if trial.validation_error is None:
            failed.append(value)
        else:
            best = {"b": True} if trial == rule.record.best else {}
            values.append({**value, "m": short(100 * trial.validation_error), **best})
    # A rate outside of what was searched widens the axis, or its line would be drawn elsewhere.
    rates = [searched.low, searched.high, *([rule.published_rate] if rule.published_rate else [])]
    x = {
        "field": "x",
        "type": "quantitative",
        "title": "Learning rate",
        "axis": RATE_AXIS,
        "scale": {"type": "log", "domain": [min(rates), max(rates)], "nice": False},
    }
    y = {"field": "m", "type": "quantitative", "title": "Validation error (%)", **scale}
    tooltip = [
        {"field": field, "title": title, "type": "nominal"}
        for field, title in (
            ("x", "learning rate"),
            ("m", "validation error (%)"),
            ("n", "trial"),
            ("s", "ended as"),
            ("o", "other settings"),
        )
        if field != "o" or any("o" in value for value in (*values, *failed))
    ]
    layers: list[dict[str, Any]] = []
    if rule.rates and rule.rates.high > rule.rates.low:
        layers.append(
            {
                "data": {"values": [{"x": rule.rates.low, "x2": rule.rates.high}]},
                "mark": {"type": "rect", "opacity": 0.14, "color": series.color, "aria": False},
                "encoding": {"x": x, "x2": {"field": "x2"}},
            }
        )
    if rule.published_rate:
        layers.append(
            {
                "data": {"values": [{"x": rule.published_rate}]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": "currentColor", "opacity": 0.7},
                "encoding": {
                    "x": x,
                    "tooltip": [{"field": "x", "title": "published learning rate", "type": "nominal"}],
                },
            }
        )
    if values:
        # Between trials that differ in other settings too, a line would suggest a curve.
        joined = len(rule.record.spec.space) == 1
        if joined:
            line = {"type": "line", "strokeWidth": 1.2, "opacity": 0.6, "color": series.color}
            layers.append({"data": {"values": values}, "mark": line, "encoding": {"x": x, "y": y}})
        dots = {"type": "point", "filled": True, "size": 40, "opacity": 1, "color": series.color}
        ring = {"type": "point", "filled": False, "size": 170, "strokeWidth": 1.8, "opacity": 1, "color": series.color}
        layers += [
            {"data": {"values": values}, "mark": dots, "encoding": {"x": x, "y": y, "tooltip": tooltip}},
            {
                "data": {"values": [value for value in values if "b" in value]},
                "mark": ring,
                "encoding": {"x": x, "y": y},
            },
        ]
    if failed:
        cross = {"type": "point", "shape": "cross", "angle": 45, "size": 70, "filled": True, "opacity": 1}
        shown = [entry for entry in tooltip if entry["field"] != "m"]
        layers.append(
            {
                "data": {"values": failed},
                "mark": {**cross, "color": series.color},
                "encoding": {"x": x, "y": {"value": FAILED_AT}, "tooltip": shown},
            }
        )
    return {**frame_size(190), "layer": layers}


def budget_chart(table: TuningTable) -> Chart:
    """Draw each rule's expected best validation error against the number of trials."""
    series = tuning_series(table)
    values: list[dict[str, Any]] = [
        {"label": rule.label, "x": point.trials, "m": short(100 * point.error)}
        for rule in table.rules
        for point in expected_best([trial.validation_error for trial in rule.record.sampled])
    ]
    colors = {"domain": list(series), "range": [each.color for each in series.values()]}
    spec: dict[str, Any] = {
        **frame_size(320),
        "data": {"values": values},
        "mark": {"type": "line", "strokeWidth": 2, "point": {"size": 26, "filled": True}},
        "encoding": {
            "x": {
                "field": "x",
                "type": "quantitative",
                "title": "Trials",
                "axis": {"format": "d", "tickMinStep": 1},
                "scale": {"zero": False, "nice": False},
            },
            "y": {
                "field": "m",
                "type": "quantitative",
                "title": "Expected best validation error (%)",
                **_error_scale([value["m"] / 100 for value in values]),
            },
            "color": {"field": "label", "type": "nominal", "legend": None, "scale": colors},
            **dash_channel(series),
            "tooltip": [
                {"field": "label", "title": "rule", "type": "nominal"},
                {"field": "x", "title": "trials", "type": "quantitative"},
                {"field": "m", "title": "expected best error (%)", "type": "quantitative"},
            ],
        },
    }
    return Chart(f"budget-{table.table_id}", "Expected best validation error", spec)


def _error_scale(errors: Sequence[float]) -> dict[str, Any]:
    """Return scale and ticks of an axis of errors in per cent, the same for all charts of these errors."""
    low, high = 100 * min(errors, default=0.0), 100 * max(errors, default=UNKNOWN_ERROR)
    if low > 0 and high / low > LOG_SPAN:
        ticks = [digit * 10.0**power for power in range(-4, 3) for digit in (1, 2, 5)]
        domain = [short(low / 1.15), short(high * 1.15)]
        shown = [tick for tick in ticks if domain[0] <= tick <= domain[1]]
        return {"scale": {"type": "log", "domain": domain, "nice": False}, "axis": {"values": shown, "format": "~g"}}
    margin = 0.06 * (high - low) or 1.0
    domain = [short(max(0.0, low - margin)), short(high + margin)]
    return {"scale": {"type": "linear", "domain": domain, "nice": False}}
