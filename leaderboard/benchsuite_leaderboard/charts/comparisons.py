"""Charts of the pages that compare rules, as Vega-Lite specs."""

from __future__ import annotations

from typing import Any

from benchsuite_leaderboard.charts.vega import PALETTE, Chart, frame_size, short
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.critical_difference import Ranking

LINE_HEIGHT = 22
SHOWN_LABEL = 60


def pair_chart(pair: Pair) -> Chart | None:
    """Draw the difference between the two rules, with its interval, for each table."""
    values: list[dict[str, Any]] = []
    for line in pair.lines:
        found = line.difference
        if found is not None:
            label = f"{line.table.track} · {line.table.tier}"
            ends = (
                {} if found.low is None or found.high is None else {"l": _points(found.low), "h": _points(found.high)}
            )
            values.append({"t": label, "k": line.table.table_id, "m": _points(found.mean), **ends})
    if not values:
        return None
    named = {v["k"]: v["t"] for v in values}
    spec: dict[str, Any] = {
        **frame_size(LINE_HEIGHT * len(values)),
        "data": {"values": values},
        "encoding": {"y": _by_name([v["k"] for v in values], named)},
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [3, 3], "opacity": 0.6, "color": "currentColor", "aria": False},
                "encoding": {"x": {"datum": 0, "type": "quantitative"}, "y": None},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2, "color": PALETTE[0]},
                "encoding": {
                    "x": {"field": "l", "type": "quantitative", "title": "Difference of test errors (points)"},
                    "x2": {"field": "h"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1, "color": PALETTE[0]},
                "encoding": {
                    "x": {"field": "m", "type": "quantitative"},
                    "tooltip": _tooltip(("t", "track"), ("m", "difference (points)"), ("l", "from"), ("h", "to")),
                },
            },
        ],
    }
    return Chart("pair", f"{pair.left} less {pair.right}", spec)


def ranking_chart(ranking: Ranking) -> Chart:
    """Draw average ranks with half the critical difference on either side: rules whose bars do not overlap differ."""
    half = ranking.critical_difference / 2
    values = [
        {"r": rule, "m": short(rank), "l": short(rank - half), "h": short(rank + half)} for rule, rank in ranking.ranks
    ]
    rules = [rule for rule, _ in ranking.ranks]
    spec: dict[str, Any] = {
        **frame_size(LINE_HEIGHT * len(values)),
        "data": {"values": values},
        "encoding": {"y": {"field": "r", "type": "nominal", "sort": rules, "title": None, "axis": {"labelLimit": 220}}},
        "layer": [
            {
                "mark": {"type": "bar", "height": 9, "opacity": 0.35, "color": PALETTE[0]},
                "encoding": {
                    "x": {
                        "field": "l",
                        "type": "quantitative",
                        "title": "Average rank; 1 is best",
                        "scale": {"zero": False},
                    },
                    "x2": {"field": "h"},
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1, "color": "currentColor"},
                "encoding": {
                    "x": {"field": "m", "type": "quantitative"},
                    "tooltip": _tooltip(("r", "rule"), ("m", "average rank")),
                },
            },
        ],
    }
    return Chart(f"ranking-{ranking.tier}", f"Average ranks, {ranking.tier} tier", spec)


def _by_name(keys: list[str], named: dict[str, str]) -> dict[str, Any]:
    # Two tables of a track share one label: the axis uses their ids, and looks up the label to show in this list.
    labels = [named[key][:SHOWN_LABEL] for key in keys]
    axis = {"labelExpr": f"{labels!r}[indexof({keys!r}, datum.value)]", "labelLimit": 280}
    return {"field": "k", "type": "nominal", "sort": keys, "title": None, "axis": axis}


def _tooltip(*fields: tuple[str, str]) -> list[dict[str, str]]:
    return [{"field": field, "title": title, "type": "nominal"} for field, title in fields]


def _points(fraction: float) -> float:
    return short(100 * fraction)
