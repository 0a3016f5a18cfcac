"""Charts of a table as Vega-Lite specs: plain data, no addresses, colours that follow the page's theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.results.curves import thin, with_times
from benchsuite.results.formatting import axis_title, quantity
from benchsuite.results.model import CurvePoint, RuleRow, SegmentCurve, TrackTable

# Mid tones that keep a contrast of about 3:1 on white and on near-black; neighbours differ for the colour-blind too.
PALETTE = ("#3f7fd0", "#d5791f", "#2a9d76", "#c7527d", "#8b6fd6", "#a5794f", "#2d9fb3", "#9a9212", "#d05a4e", "#7c8896")
DASHES: tuple[list[int], ...] = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
# The baseline takes the colour of the text, whatever the theme.
BASELINE_COLOR = "currentColor"

LINEAR: Mapping[str, Any] = {"zero": False, "type": "linear"}
LOGARITHMIC: Mapping[str, Any] = {"type": "log"}

LEAST_SPAN = {"_deg": 0.01}
"""What differs by no more is rounding: float32 puts backprop some 1e-6 degrees from itself."""

SMALLEST_WRITTEN_OUT = 1e-4
"""Ticks of an axis that stays below are written as powers of ten: 4.5e-13, not 0.00000000000045."""

MOST_SEGMENTS = 12
"""Small charts per diagnostic; of deeper networks evenly spaced segments are shown."""

SHOWN_FAILURES = 40
"""Failed runs drawn per table; the table lists all."""


TIME_UNITS = ((7200.0, 3600.0, "h"), (300.0, 60.0, "min"), (0.0, 1.0, "s"))
"""From how many seconds on, seconds in one, name."""


@dataclass(frozen=True)
class Series:
    """How one row is drawn in every chart of its table."""

    index: int
    label: str
    color: str
    dash: list[int]


@dataclass(frozen=True)
class Chart:
    """One chart: where it goes, what it says above itself, and its Vega-Lite spec."""

    chart_id: str
    title: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class DiagnosticCharts:
    """The small charts of one diagnostic, one a segment."""

    diagnostic: str
    title: str
    """Its name in words, with the unit."""
    charts: tuple[Chart, ...]
    segments: int
    """How many segments were measured; more than there are charts in a deep network."""


def assign_series(table: TrackTable) -> dict[str, Series]:
    """Give every row of a table, by its id, a colour and a dash that do not depend on the rows' results."""
    series: dict[str, Series] = {}
    others = 0
    for row in sorted(table.rows, key=lambda r: r.label):
        first_baseline = row.is_baseline and not any(s.color == BASELINE_COLOR for s in series.values())
        color = BASELINE_COLOR if first_baseline else PALETTE[others % len(PALETTE)]
        dash = DASHES[0] if first_baseline else DASHES[others // len(PALETTE) % len(DASHES)]
        others += not first_baseline
        series[row.row_id] = Series(len(series), row.label, color, dash)
    return series


def learning_curves(table: TrackTable, budget: int) -> Chart | None:
    """Draw the test error over epochs: mean line and smallest-to-largest band per row, failed runs as they ended.

    ``usermeta.axes`` of the spec has what it may be drawn against instead: images seen and, for each hardware class by
    itself, training time.

    Args:
        table: The rows.
        budget: Points in all; longer curves are thinned out evenly.

    Returns:
        None if nothing was measured.
    """
    series = assign_series(table)
    failed = [
        (row, run) for row in table.rows for run in row.runs if run.test_curve and not (run.counted or run.superseded)
    ]
    failed = failed[:SHOWN_FAILURES]
    lines = sum(bool(row.curve) for row in table.rows) + len(failed)
    if not lines:
        return None
    most = _points_a_line(budget, lines)
    means = [p for row in table.rows for p in _values(row.curve, series[row.row_id], most, 100, band=True)]
    traces = []
    for number, (row, run) in enumerate(failed):
        points = [CurvePoint(e, v, v, v) for e, v in run.test_curve.items()]
        points = list(with_times(points, [run.record])) if run.record else points
        drawn = _values(points, series[row.row_id], most, 100, band=False)
        traces += [{**p, "k": number, "s": run.seed, "why": run.status} for p in drawn]
        traces[-1]["end"] = True
    spec = _frame(series, height=320)
    classes = _hardware_classes(table)
    for row in table.rows:
        spec["datasets"]["rows"][series[row.row_id].index]["c"] = classes.index(row.hardware_class)
    scale = _scale(means + traces)
    title = "Test error (%), logarithmic" if scale is LOGARITHMIC else "Test error (%)"
    band = {"mark": {"type": "area", "opacity": 0.16}, "encoding": _encoding("l", y2="h", scale=scale)}
    line = {
        "mark": {"type": "line", "strokeWidth": 2, "point": _points(means)},
        "encoding": {
            **_encoding("m", title, scale=scale),
            **_dash(series),
            "tooltip": _tooltip("test error (%)", band=True),
        },
    }
    spec["layer"] = [{**layer, "data": {"values": means}, "transform": [_lookup()]} for layer in (band, line)]
    if traces:
        trace = {"mark": {"type": "line", "strokeWidth": 1.2, "opacity": 0.75}, "encoding": _encoding("m", scale=scale)}
        trace["encoding"]["detail"] = {"field": "k", "type": "nominal"}
        end = {
            "mark": {"type": "point", "shape": "cross", "angle": 45, "size": 70, "filled": True, "opacity": 1},
            "encoding": {**_encoding("m", scale=scale), "tooltip": _failure_tooltip()},
        }
        spec["layer"] += [
            {**trace, "data": {"values": traces}, "transform": [_lookup()]},
            {**end, "data": {"values": [t for t in traces if "end" in t]}, "transform": [_lookup()]},
        ]
    spec["usermeta"] = {"axes": _axes(table, spec, means + traces)}
    return Chart(f"learning-{table.table_id}", "Test error over training", spec)


def alignment_charts(table: TrackTable, budget: int) -> list[DiagnosticCharts]:
    """Draw every diagnostic over epochs, one small chart a segment.

    Args:
        table: The rows.
        budget: Points in all; longer curves are thinned out evenly.

    Returns:
        By diagnostic; empty if none was measured.
    """
    series = assign_series(table)
    found: dict[str, dict[str | None, list[tuple[RuleRow, SegmentCurve]]]] = {}
    for row in table.rows:
        for curve in row.diagnostics:
            found.setdefault(curve.diagnostic, {}).setdefault(curve.segment, []).append((row, curve))
    chosen = {d: evenly(_in_forward_order(list(s), table.segments)) for d, s in sorted(found.items())}
    lines = sum(len(found[d][s]) for d, segments in chosen.items() for s in segments)
    most = _points_a_line(budget, lines)
    groups = []
    for number, (diagnostic, segments) in enumerate(chosen.items()):
        charts = []
        for place, segment in enumerate(segments):
            curves = found[diagnostic][segment]
            values = [p for row, c in curves for p in _values(c.points, series[row.row_id], most, 1, band=False)]
            spec = _frame(series, height=150)
            spec["layer"] = [
                {
                    "data": {"values": values},
                    "transform": [_lookup()],
                    "mark": {"type": "line", "strokeWidth": 1.8, "point": _points(values)},
                    "encoding": {
                        **_diagnostic_encoding(diagnostic, values),
                        **_dash(series),
                        "tooltip": _tooltip(quantity(diagnostic), band=False),
                    },
                }
            ]
            chart_id = f"alignment-{table.table_id}-{number}-{place}"
            charts.append(Chart(chart_id, segment if segment is not None else "whole network", spec))
        groups.append(DiagnosticCharts(diagnostic, quantity(diagnostic), tuple(charts), len(found[diagnostic])))
    return groups


def _hardware_classes(table: TrackTable) -> list[str]:
    return sorted({row.hardware_class for row in table.rows})


def _axes(table: TrackTable, spec: dict[str, Any], values: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what the curves may be drawn against: label, Vega-Lite's x and what must be done to the data first."""
    axes: list[dict[str, Any]] = [{"label": "epochs", "x": spec["encoding"]["x"], "transform": []}]
    if table.train_examples is not None:
        seen = {"calculate": f"datum.e * {table.train_examples}", "as": "images"}
        axes.append({"label": "images seen", "x": x_axis("images", "Training images seen", "~s"), "transform": [seen]})
    rows = spec["datasets"]["rows"]
    classes = _hardware_classes(table)
    for number, name in enumerate(classes):
        times = [v["t"] for v in values if "t" in v and rows[v["r"]]["c"] == number]
        if times and max(times) > 0:
            _, size, unit = next(u for u in TIME_UNITS if max(times) >= u[0])
            known = {"filter": f"isValid(datum.t) && datum.c === {number}"}
            scaled = {"calculate": f"datum.t / {size:g}", "as": "time"}
            title = f"Training time on the clock ({unit}), {name[:80]}"
            label = "training time" if len(classes) == 1 else f"training time, {name[:80]}"
            axes.append({"label": label, "x": x_axis("time", title, "~g"), "transform": [known, scaled]})
    return axes


def x_axis(field: str, title: str, form: str) -> dict[str, Any]:
    """Return the channel of what a curve runs along; whole numbers (``d``) get no ticks between them."""
    axis = {"format": form} | ({"tickMinStep": 1} if form == "d" else {})
    scale = {"zero": False, "nice": False}
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": scale}


def frame_size(height: int) -> dict[str, Any]:
    """Return the size of a chart that is as wide as the page lets it be."""
    return {"width": "container", "height": height, "autosize": {"type": "fit-x", "contains": "padding"}}


def _frame(series: dict[str, Series], height: int) -> dict[str, Any]:
    rows = [{"r": s.index, "label": s.label} for s in series.values()]
    labels = [s.label for s in series.values()]
    return {
        **frame_size(height),
        "datasets": {"rows": rows},
        "encoding": {
            "x": x_axis("e", "Epoch", "d"),
            "color": {
                "field": "label",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": labels, "range": [s.color for s in series.values()]},
            },
        },
    }


def _dash(series: dict[str, Series]) -> dict[str, Any]:
    scale = {"domain": [s.label for s in series.values()], "range": [s.dash for s in series.values()]}
    return {"strokeDash": {"field": "label", "type": "nominal", "legend": None, "scale": scale}}


def _encoding(
    y: str, title: str | None = None, *, y2: str | None = None, scale: Mapping[str, Any] = LINEAR, limit: int = 300
) -> dict[str, Any]:
    encoding: dict[str, Any] = {"y": {"field": y, "type": "quantitative", "scale": dict(scale)}}
    if title is not None:
        encoding["y"] |= {"title": title, "axis": {"titleLimit": limit}}
    if y2 is not None:
        encoding["y2"] = {"field": y2}
    return encoding


def _diagnostic_encoding(diagnostic: str, values: Sequence[dict[str, Any]]) -> dict[str, Any]:
    encoding = _encoding("m", axis_title(diagnostic), scale=_span(diagnostic, values), limit=140)
    if 0 < max(abs(v["m"]) for v in values) < SMALLEST_WRITTEN_OUT:
        encoding["y"]["axis"]["format"] = "~g"
    return encoding


def _scale(values: Sequence[dict[str, Any]]) -> Mapping[str, Any]:
    """A logarithmic axis where errors span about a decade: else the start hides all differences at the end."""
    errors = [v.get(k, v["m"]) for v in values for k in ("l", "m", "h")]
    return LOGARITHMIC if min(errors) > 0 and max(errors) / min(errors) > 8 else LINEAR


def _span(diagnostic: str, values: Sequence[dict[str, Any]]) -> Mapping[str, Any]:
    """An axis that starts at zero where all values are the same: its ticks would else be those of rounding."""
    means = [v["m"] for v in values]
    least = next((span for ending, span in LEAST_SPAN.items() if diagnostic.endswith(ending)), 0.0)
    if max(means) - min(means) > least:
        return LINEAR
    if max(map(abs, means)) <= least:
        return {"type": "linear", "domain": [0, 1]}
    return {"type": "linear", "zero": True}


def _tooltip(title: str, *, band: bool) -> list[dict[str, Any]]:
    fields = [("label", "rule", "nominal"), ("e", "epoch", "quantitative"), ("m", f"mean {title}", "quantitative")]
    fields += [("l", "smallest", "quantitative"), ("h", "largest", "quantitative")] if band else []
    return [{"field": f, "title": t, "type": k} for f, t, k in fields]


def _failure_tooltip() -> list[dict[str, Any]]:
    fields = [
        ("label", "rule"),
        ("s", "seed"),
        ("why", "ended as"),
        ("e", "last measured epoch"),
        ("m", "test error (%)"),
    ]
    return [{"field": f, "title": t, "type": "nominal"} for f, t in fields]


def _lookup() -> dict[str, Any]:
    return {"lookup": "r", "from": {"data": {"name": "rows"}, "key": "r", "fields": ["label", "c"]}}


def _values(
    points: Sequence[CurvePoint], series: Series, most: int, scale: float, *, band: bool
) -> list[dict[str, float]]:
    values = []
    for point in thin(points, most):
        value = {"r": series.index, "e": point.epoch, "m": short(point.mean * scale)}
        value |= {} if point.time_s is None else {"t": short(point.time_s)}
        values.append({**value, "l": short(point.low * scale), "h": short(point.high * scale)} if band else value)
    return values


def short(value: float) -> float:
    """Return five digits: more than a line on a screen can show, and a third of the page's size."""
    return float(f"{value:.5g}")


def _points(values: Sequence[dict[str, Any]]) -> dict[str, Any] | bool:
    """Dots on short curves: a line through a single epoch would not be seen."""
    return {"size": 26, "filled": True} if len({v["e"] for v in values}) <= 15 else False


def _points_a_line(budget: int, lines: int) -> int:
    return max(4, min(200, budget // max(1, lines)))


def _in_forward_order(segments: Sequence[str | None], forward: Sequence[str]) -> list[str | None]:
    place = {name: i for i, name in enumerate(forward)}
    return sorted(segments, key=lambda s: (s is None, place.get(s or "", len(place)), s or ""))


def evenly(segments: Sequence[str | None]) -> list[str | None]:
    """Return as many segments as there is room for, evenly spaced, the first and the last among them."""
    if len(segments) <= MOST_SEGMENTS:
        return list(segments)
    step = (len(segments) - 1) / (MOST_SEGMENTS - 1)
    return [segments[round(i * step)] for i in range(MOST_SEGMENTS)]
