"""Charts of the pages that compare rules, as Vega-Lite specs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchsuite.results.rule_style import PALETTE, RuleStyle, rule_style
from benchsuite_leaderboard.charts.vega import Chart, frame_size, short
from benchsuite_leaderboard.compare import Pair
from benchsuite_leaderboard.critical_difference import Ranking
from benchsuite_leaderboard.names import RuleNames

LINE_HEIGHT = 22
SHOWN_LABEL = 60


def pair_chart(pair: Pair, names: RuleNames) -> Chart | None:
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
    return Chart("pair", f"{names.full(pair.left)} minus {names.full(pair.right)}", spec)


RANK_AXIS = {"type": "quantitative", "title": "Mean rank; 1 is best", "scale": {"zero": False}}


def ranking_chart(ranking: Ranking, names: RuleNames) -> Chart:
    """Draw mean ranks with their 95 % intervals over tracks and seeds."""
    values = []
    styles = {names.full(rule): rule_style(rule) for rule, _ in ranking.ranks}
    for found in ranking.across.rules:
        rank = found.mean_rank
        ends = {} if rank.low is None or rank.high is None else {"l": short(rank.low), "h": short(rank.high)}
        values.append({"r": names.full(found.rule), "m": short(rank.mean), **ends})
    spec: dict[str, Any] = {
        **frame_size(LINE_HEIGHT * len(values)),
        "data": {"values": values},
        "encoding": {
            "y": {
                "field": "r",
                "type": "nominal",
                "sort": list(styles),
                "title": None,
                "axis": {"labelLimit": 220},
            },
            "color": {"field": "r", "type": "nominal", "legend": None, "scale": _scale(styles, "color")},
        },
        "layer": [*([_rank_intervals()] if any("l" in value for value in values) else []), _mean_ranks(styles)],
    }
    return Chart(f"ranking-{ranking.tier}", f"Mean ranks, {ranking.tier} tier", spec)


def _rank_intervals() -> dict[str, Any]:
    # Left out where no rule has an interval: a layer without marks has no extent, and no name for screen readers.
    return {
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {"x": {"field": "l", **RANK_AXIS}, "x2": {"field": "h"}},
    }


def _mean_ranks(styles: Mapping[str, RuleStyle]) -> dict[str, Any]:
    return {
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
        "encoding": {
            "x": {"field": "m", **RANK_AXIS},
            "shape": {"field": "r", "type": "nominal", "legend": None, "scale": _scale(styles, "marker")},
            "tooltip": _tooltip(("r", "rule"), ("m", "mean rank"), ("l", "from"), ("h", "to")),
        },
    }


def _scale(styles: Mapping[str, RuleStyle], look: str) -> dict[str, Any]:
    return {"domain": list(styles), "range": [getattr(style, look) for style in styles.values()]}


def _by_name(keys: list[str], named: dict[str, str]) -> dict[str, Any]:
    # Two tables of a track share one label: the axis uses their ids, and looks up the label to show in this list.
    labels = [named[key][:SHOWN_LABEL] for key in keys]
    axis = {"labelExpr": f"{labels!r}[indexof({keys!r}, datum.value)]", "labelLimit": 280}
    return {"field": "k", "type": "nominal", "sort": keys, "title": None, "axis": axis}


def _tooltip(*fields: tuple[str, str]) -> list[dict[str, str]]:
    return [{"field": field, "title": title, "type": "nominal"} for field, title in fields]


def _points(fraction: float) -> float:
    return short(100 * fraction)
