"""The page of a track's tunings, and the list of all tunings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from jinja2 import Environment

from benchsuite.results.formatting import budget_words
from benchsuite.results.model import TrackTable
from benchsuite.results.tuning_curves import WITHIN
from benchsuite.results.tuning_summary import TuningTable
from benchsuite_leaderboard.charts.tuning import budget_chart, rate_charts, tuning_series
from benchsuite_leaderboard.downloads.formats import as_files
from benchsuite_leaderboard.downloads.tuning import tuning_data
from benchsuite_leaderboard.pages.frame import TUNINGS_ADDRESS, Frame, page_name

OPEN_UP_TO = 6
"""Largest number of small charts that are shown without a click."""


def tuning_address(track: str) -> str:
    """Return the path of the page of a track's tunings within the site."""
    return f"tuning/{page_name('track', track)}.html"


def render_tunings(
    environment: Environment, frame: Frame, tables: Sequence[TuningTable], has_runs: bool
) -> Iterator[tuple[str, str]]:
    """Yield the page of one track's tunings with its downloads; nothing if there is no tuning.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        tables: the track's tunings, from ``tuning_tables``.
        has_runs: True if the track has a page of its own.

    """
    if not tables:
        return
    address = tuning_address(tables[0].track)
    drawings = {
        table.table_id: {
            "budget": budget_chart(table),
            "rates": rate_charts(table),
            "series": tuning_series(table),
            "open": place == 0 and len(table.rules) <= OPEN_UP_TO,
        }
        for place, table in enumerate(tables)
    }
    yield (
        address,
        environment.get_template("tuning.html.j2").render(
            frame.variables("tuning", "../"),
            track=tables[0].track,
            tables=tables,
            drawings=drawings,
            has_runs=has_runs,
            within=WITHIN,
        ),
    )
    for table in tables:
        yield from as_files(tuning_data(table), f"downloads/tuning/{table.track}/{table.table_id}")


def render_tuning_list(
    environment: Environment, frame: Frame, tables: Iterable[TuningTable]
) -> Iterator[tuple[str, str]]:
    """Yield the list of all tunings; nothing if there is none."""
    tables = list(tables)
    if tables:
        addresses = {table.track: tuning_address(table.track) for table in tables}
        text = environment.get_template("tunings.html.j2").render(
            frame.variables("tuning", ""), tables=tables, addresses=addresses
        )
        yield TUNINGS_ADDRESS, text


def budgets_of_rows(table: TrackTable, tunings: Iterable[TuningTable]) -> dict[str, str]:
    """Return the tuning budget of each row in words, by its id; empty if no row of the table is tuned."""
    if not any(row.tuned for row in table.rows):
        return {}
    rules = [rule for found in tunings for rule in found.rules]
    records = {rule.tuning_id: rule.record for rule in rules}
    published = {rule.published_row for rule in rules}
    budgets = {}
    for row in table.rows:
        if row.tuned:
            words = budget_words(next((records[i] for i in row.tunings if i in records), None))
            # The label has the number of trials already.
            budgets[row.row_id] = words.removeprefix(f"{row.label.partition(', ')[2]}, ")
        elif row.row_id in published:
            budgets[row.row_id] = "published settings"
    return budgets


def tuning_times(table: TrackTable, tunings: Iterable[TuningTable]) -> Mapping[str, float | None]:
    """Return the training time of each tuned row's tuning; None if it is not known on the row's hardware class."""
    records = {rule.tuning_id: rule.record for found in tunings for rule in found.rules}
    times: dict[str, float | None] = {}
    for row in table.rows:
        if row.tuned:
            longest = [records[i] for i in row.tunings if i in records][:1]
            same = [r for r in longest if all(t.hardware_class == row.hardware_class for t in r.trials)]
            times[row.row_id] = same[0].train_time_s if same else None
    return times
