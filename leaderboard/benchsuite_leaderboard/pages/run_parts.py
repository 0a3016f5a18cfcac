"""Parts that many run pages of a table share, each rendered once: links between runs, rows' verdicts, figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from benchsuite.results.model import RuleRow, TrackTable
from benchsuite_leaderboard.charts.run_text import RunChart

PLACE = Markup("<spec>")
"""Stands for a chart's spec; no other text of a page can look like it, since those are escaped."""

OVER_SEGMENTS = ", one line per segment"


class TableParts:
    """The shared parts of the pages of one table's runs."""

    def __init__(self, environment: Environment, table: TrackTable) -> None:
        """Render nothing yet.

        Args:
            environment: Jinja environment of the site's templates.
            table: the table.

        """
        self._table = table
        self._macros: Any = environment.get_template("run_parts.html.j2").make_module()
        self._validity_table: Any = environment.get_template("validity.html.j2").make_module().validity_table  # type: ignore[attr-defined]
        self._verdicts: dict[str, Markup] = {}

    def other_seeds(self, row: RuleRow, seed: int) -> Markup:
        """Return links to the counted and failed runs of a row with other seeds; empty if there are none."""
        return _joined(" · ", (link for other, link in self._by_row[row.row_id] if other != seed))

    def other_rules(self, row: RuleRow, seed: int) -> Markup:
        """Return links to the other rows' runs with the same seed; they began from the same weights and order.

        Rows that a longer tuning has replaced are left out.
        """
        return _joined(" · ", (link for row_id, link in self._by_seed.get(seed, ()) if row_id != row.row_id))

    def verdicts(self, row: RuleRow) -> Markup:
        """Return the table of a row's validity checks; empty if there are none."""
        if row.row_id not in self._verdicts:
            self._verdicts[row.row_id] = self._validity_table(row.validity, row.label) if row.validity else Markup()
        return self._verdicts[row.row_id]

    @cached_property
    def _by_row(self) -> dict[str, list[tuple[int, Markup]]]:
        """Return each row's links, with their seeds."""
        link = self._macros.seed_link
        return {
            row.row_id: [(run.seed, link(run)) for run in row.runs if not run.superseded] for row in self._table.rows
        }

    @cached_property
    def _by_seed(self) -> dict[int, list[tuple[str, Markup]]]:
        """Return each seed's links, with the ids of their rows."""
        found: dict[int, list[tuple[str, Markup]]] = {}
        for row in self._table.rows:
            for run in row.runs:
                if not (row.superseded or run.superseded):
                    found.setdefault(run.seed, []).append((row.row_id, self._macros.rule_link(row, run)))
        return found


class Figures:
    """Figures of runs' charts: what is around a chart's spec is rendered once."""

    def __init__(self, environment: Environment) -> None:
        """Render nothing yet."""
        self._macro: Any = environment.get_template("run_parts.html.j2").make_module().figure  # type: ignore[attr-defined]
        self._found: dict[tuple[str, str, int, str], tuple[str, str]] = {}

    def drawn(self, charts: Sequence[RunChart], lines: str = "") -> Markup:
        """Return the figures of a run's charts.

        Args:
            charts: the charts.
            lines: addition to a chart's description: what its lines are.

        """
        return _joined("", (part for chart in charts for part in self._figure(chart, lines)))

    def _figure(self, chart: RunChart, lines: str) -> tuple[str, str, str]:
        key = chart.chart_id, chart.title, chart.room, lines
        if key not in self._found:
            heading = chart.title[:1].upper() + chart.title[1:]
            empty = RunChart(chart.chart_id, chart.title, chart.room, PLACE)
            before, _, after = str(self._macro(empty, heading, lines)).partition(PLACE)
            self._found[key] = before, after
        before, after = self._found[key]
        return before, chart.json, after


def _joined(between: str, parts: Iterable[str]) -> Markup:
    return Markup(between.join(parts))  # noqa: S704 - each is escaped by its template
