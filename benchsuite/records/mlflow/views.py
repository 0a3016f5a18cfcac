"""Saved views of MLflow's page of runs: columns, groups and charts that show results at first sight.

MLflow 3.16 and later keep a view as a tag of the experiment: an envelope with a name, and the page's state compressed.
Older versions ignore it. A view is per tier, because a mean over runs of several tiers would be none of any experiment.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from benchsuite.records.mlflow.mapping import RUN_ID_TAG, STATUS_TAG, TUNING_TAG
from benchsuite.records.mlflow.points import FINAL_ERROR, diagnostic_key

VIEW_PREFIX = "mlflow.sharedViewState."
CREATED_MS = 1_760_000_000_000
"""Time of making that all views show; a constant, so that an unchanged view has unchanged text."""

TUNING_VIEW = "benchsuite-tuning"

MOST_SEGMENTS = 6
"""Segments with a chart; of more, as many spread over the network."""

COST = "final/train_time_s"
RATE = "final/images_per_s"
BARS = {FINAL_ERROR: "Test error, %", COST: "Training time, s", RATE: "Images per second"}
COLUMNS = [
    "params.`rule`",
    "params.`seed`",
    *(f"metrics.`{key}`" for key in BARS),
    f"tags.`{STATUS_TAG}`",
]
CURVES = {
    "test/error_percent": "Test error by epoch, %",
    "train/error_percent": "Training error by epoch, %",
    "running/loss": "Training loss by epoch",
}


def view_of_tier(tier: str) -> str:
    """Return the name of a tier's view in addresses."""
    return f"benchsuite-{tier}"


def results_view(tier: str, diagnostics: Sequence[str], segments: Sequence[str]) -> dict[str, str]:
    """Return the tag of a tier's view: results, curves and alignment by rule.

    Args:
        tier: tier of the runs shown.
        diagnostics: names of what is measured; the first is shown, the others are folded.
        segments: of the network, in forward order; empty while they are not known.

    """
    shown = [None, *spread(segments)]
    first, others = diagnostics[:1], diagnostics[1:]
    sections = {
        "Results": [_bar(key, title) for key, title in BARS.items()],
        "Curves": [_line(key, title) for key, title in CURVES.items()],
        "Alignment": [_line(diagnostic_key(d, s), _title(d, s)) for d in first for s in shown],
        "Other diagnostics": [_line(diagnostic_key(d, s), _title(d, s)) for d in others for s in shown],
    }
    state = _state(f"tags.`{RUN_ID_TAG}` != '' and params.`tier` = '{tier}'", f"metrics.`{FINAL_ERROR}`", COLUMNS)
    state |= _charts(sections, folded={"Other diagnostics"})
    state["groupBy"] = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": "rule"}]}
    return {VIEW_PREFIX + view_of_tier(tier): _envelope(f"Results, {tier}", state)}


def tuning_view(searched: Iterable[str]) -> dict[str, str]:
    """Return the tag of the view of tunings: trials by their settings and errors.

    Args:
        searched: names of the params that trials differ in.

    """
    error, names = "validation/error_percent", sorted(searched)
    parallel = {
        **_chart("PARALLEL", error, "Settings and validation error"),
        "selectedParams": names,
        "selectedMetrics": [error],
        "showAllRuns": False,
    }
    columns = ["params.`rule`", *(f"params.`{name}`" for name in names), f"metrics.`{error}`", f"tags.`{STATUS_TAG}`"]
    state = _state(f"tags.`{TUNING_TAG}` != ''", f"metrics.`{error}`", columns)
    state |= _charts({"Trials": [parallel, _bar(error, "Validation error, %")]}, folded=set())
    return {VIEW_PREFIX + TUNING_VIEW: _envelope("Tunings", state)}


def spread(segments: Sequence[str]) -> list[str]:
    """Return at most ``MOST_SEGMENTS`` segments, spread evenly, with the first and the last."""
    if len(segments) <= MOST_SEGMENTS:
        return list(segments)
    return [segments[round(i * (len(segments) - 1) / (MOST_SEGMENTS - 1))] for i in range(MOST_SEGMENTS)]


def _title(diagnostic: str, segment: str | None) -> str:
    return f"{diagnostic}, {segment or 'whole network'}"


def _envelope(name: str, state: dict[str, Any]) -> str:
    text = json.dumps(state, separators=(",", ":"))
    packed = "deflate;" + base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return json.dumps({"name": name, "createdAt": CREATED_MS, "updatedAt": CREATED_MS, "state": packed})


def _state(search: str, order: str, columns: list[str]) -> dict[str, Any]:
    """Return the fields of MLflow's ``ExperimentPageUIState`` and of its search; all are needed."""
    return {
        "searchFilter": search,
        "orderByKey": order,
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": columns,
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }


def _charts(sections: dict[str, list[dict[str, Any]]], folded: set[str]) -> dict[str, Any]:
    made = {name: charts for name, charts in sections.items() if charts}
    return {
        "compareRunCharts": [
            {**chart, "metricSectionId": name, "uuid": f"{name}-{number}"}
            for name, charts in made.items()
            for number, chart in enumerate(charts)
        ],
        "compareRunSections": [
            {
                "uuid": name,
                "name": name,
                "display": name not in folded,
                "isReordered": True,
                "deleted": False,
                "isGenerated": False,
            }
            for name in made
        ],
    }


def _chart(kind: str, metric: str, title: str) -> dict[str, Any]:
    return {
        "type": kind,
        "runsCountToCompare": 100,
        "deleted": False,
        "isGenerated": False,
        "displayName": title,
        "metricKey": metric,
    }


def _bar(metric: str, title: str) -> dict[str, Any]:
    return _chart("BAR", metric, title)


def _line(metric: str, title: str) -> dict[str, Any]:
    return {
        **_chart("LINE", metric, title),
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
