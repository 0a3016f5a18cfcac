"""A track's page with its tables, charts and downloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jinja2 import Environment

from benchsuite.results.model import TrackTable
from benchsuite.results.tier_closeness import tier_closeness
from benchsuite.results.tuning_summary import TuningTable
from benchsuite_leaderboard.charts.diagnostics import alignment_charts
from benchsuite_leaderboard.charts.learning import learning_curves
from benchsuite_leaderboard.charts.pareto import pareto_chart
from benchsuite_leaderboard.charts.rows import Series, assign_series
from benchsuite_leaderboard.downloads.formats import as_files
from benchsuite_leaderboard.downloads.results import track_data
from benchsuite_leaderboard.pages.frame import POINTS_A_PAGE, Frame, page_name
from benchsuite_leaderboard.pages.tuning import budgets_of_rows, tuning_address, tuning_times

if TYPE_CHECKING:
    from benchsuite.results.board_plan import TrackWords
    from benchsuite_leaderboard.remarks import RowRemarks

OPEN_TABLES = 2
"""Number of tables of a track whose charts are shown without a click."""


@dataclass(frozen=True)
class TrackPage:
    """One track and its tables, as passed to the templates."""

    name: str
    tables: tuple[TrackTable, ...]
    words: TrackWords | None = None
    """The words of the track's spec."""
    remarks: RowRemarks = field(default_factory=dict)
    """Texts of remarks by table and row."""

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return f"tracks/{self.name}.html"


def track_pages(
    tables: Iterable[TrackTable], words: TrackWords | None = None, remarks: RowRemarks | None = None
) -> list[TrackPage]:
    """Group the tables by track.

    Args:
        tables: tables from ``summarize``.
        words: what the spec says of the track, if all tables are of one.
        remarks: texts of remarks by table and row.

    Raises:
        ValueError: if a track's name could not safely be a file's name.

    """
    by_track: dict[str, list[TrackTable]] = {}
    for table in tables:
        by_track.setdefault(page_name("track", table.track), []).append(table)
    return [TrackPage(name, tuple(members), words, remarks or {}) for name, members in sorted(by_track.items())]


def render_track(
    environment: Environment,
    frame: Frame,
    track: TrackPage,
    tunings: Sequence[TuningTable] = (),
) -> Iterator[tuple[str, str]]:
    """Yield the pages that depend on one track's records alone: the track's page and its downloads.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        track: the track, with its runs' records.
        tunings: the track's tunings, from ``tuning_tables``.

    """
    template = environment.get_template("track.html.j2")
    yield track.address, template.render(frame.variables("tracks", "../"), page=track, **_drawings(track, tunings))
    for table in track.tables:
        yield from as_files(track_data(table), f"downloads/tracks/{track.name}/{table.table_id}")


def _drawings(track: TrackPage, tunings: Sequence[TuningTable]) -> Mapping[str, Any]:
    budget = POINTS_A_PAGE // len(track.tables)
    series = {t.table_id: assign_series(t) for t in track.tables}
    return {
        "open_tables": OPEN_TABLES,
        "drawn_rows": {t.table_id: _drawn_rows(t, series[t.table_id]) for t in track.tables},
        "tuning": "../" + tuning_address(track.name) if tunings else "",
        "closeness": tier_closeness(track.tables),
        "budgets": {t.table_id: budgets_of_rows(t, tunings) for t in track.tables},
        "series": series,
        "learning": {t.table_id: learning_curves(t, budget // 2) for t in track.tables},
        "pareto": {t.table_id: pareto_chart(t, tuning_times(t, tunings)) for t in track.tables},
        "alignment": {t.table_id: alignment_charts(t, budget // 2) for t in track.tables},
    }


def _drawn_rows(table: TrackTable, series: Mapping[str, Series]) -> list[Series]:
    """Return the rows with a line in some chart, for the legend."""
    drawn = (row for row in table.rows if row.curve or row.diagnostics or any(run.test_curve for run in row.runs))
    return sorted((series[row.row_id] for row in drawn), key=lambda each: each.index)
