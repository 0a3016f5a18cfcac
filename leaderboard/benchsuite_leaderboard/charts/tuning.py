"""Charts of tunings: error against learning rate per rule, and the best error to expect from fewer trials."""

from __future__ import annotations

from typing import Any

from benchsuite.results.model import CurvePoint
from benchsuite.results.tuning_curves import error_by_rate, expected_best
from benchsuite.results.tuning_summary import TunedRule, TuningTable
from benchsuite.specs.models.tuning import RATE
from benchsuite_leaderboard.charts.lines import curve_layers, curve_tooltip, curve_values, name_layers, table_frame
from benchsuite_leaderboard.charts.rows import Series, rule_series
from benchsuite_leaderboard.charts.scales import ValueScale, error_scale
from benchsuite_leaderboard.charts.vega import Chart, frame_size, short, x_axis

FAILED_AT = 8
"""Distance of the marks of failed trials from the chart's upper edge, in pixels: they have no error."""

# Written with an exponent and all shown: powers of ten are few on a range of rates.
RATE_AXIS: dict[str, Any] = {"format": "~e", "values": [10.0**power for power in range(-8, 4)], "labelOverlap": True}

BUDGET_HEIGHT = 320
TRIALS = x_axis("e", "Trials", "d")


def tuning_series(table: TuningTable) -> dict[str, Series]:
    """Assign each rule, by its label, its look."""
    return rule_series({rule.label: rule.record.spec.run.rule.name for rule in table.rules})


def rate_charts(table: TuningTable) -> list[Chart]:
    """Draw each rule's validation error against the learning rate, on the same axes for all rules.

    A ring marks the chosen trial, a cross at the upper edge one that diverged or failed, a dashed line the rate of
    the published settings, and a band the rates that stay near the best.
    """
    return [rate_chart(table, rule) for rule in table.rules]


def rate_chart(table: TuningTable, rule: TunedRule) -> Chart:
    """Draw one rule's validation error against the learning rate, on the axes of all rules of the table."""
    errors = [e for each in table.rules for p in error_by_rate(each.record) if (e := p.error) is not None]
    spec = _rate_spec(rule, tuning_series(table)[rule.label], error_scale(100 * error for error in errors))
    return Chart(f"rate-{table.table_id}-{table.rules.index(rule) + 1}", rule.label, spec)


def _rate_spec(rule: TunedRule, series: Series, scale: ValueScale) -> dict[str, Any]:
    searched = rule.record.spec.space[0]
    chosen = rule.record.best
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
            best = {"b": True} if chosen and trial.settings == chosen.settings else {}
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
    y = scale.channel("m", "Validation error (%)")["y"]
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
        dots = {
            "type": "point",
            "filled": True,
            "size": 40,
            "opacity": 1,
            "color": series.color,
            "shape": series.marker,
        }
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
    values: list[dict[str, Any]] = []
    for rule in table.rules:
        expected = expected_best([trial.validation_error for trial in rule.record.sampled])
        points = [CurvePoint(point.trials, point.error, point.error, point.error) for point in expected]
        values += curve_values(points, series[rule.label], max(2, len(points)), 100, band=False)
    scale = error_scale(value["m"] for value in values)
    spec = table_frame(series, BUDGET_HEIGHT, TRIALS)
    spec["data"] = {"values": values}
    tooltip = curve_tooltip("expected best error (%)", band=False, x="trials")
    spec["layer"] = curve_layers(series, values, scale, "Expected best validation error (%)", tooltip)
    spec["layer"] += name_layers(series, values, scale, spec["height"])
    return Chart(f"budget-{table.table_id}", "Expected best validation error", spec)
