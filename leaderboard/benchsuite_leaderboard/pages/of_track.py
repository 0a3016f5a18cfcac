"""Render all pages that depend on one track's records alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from benchsuite_leaderboard.kept_runs import KeptRuns
from benchsuite_leaderboard.pages.runs import render_runs
from benchsuite_leaderboard.pages.tracks import render_track, track_pages
from benchsuite_leaderboard.pages.tuning import render_tunings
from benchsuite_leaderboard.rendering import template_environment

if TYPE_CHECKING:
    from benchsuite.results.board_plan import TrackWords
    from benchsuite.results.model import TrackTable
    from benchsuite.results.tuning_summary import TuningTable
    from benchsuite_leaderboard.pages.frame import Frame
    from benchsuite_leaderboard.remarks import RowRemarks


def render_of_track(
    frame: Frame,
    tables: Sequence[TrackTable],
    tunings: Sequence[TuningTable],
    mlflow: Mapping[str, str],
    words: TrackWords | None = None,
    remarks: RowRemarks | None = None,
    kept: KeptRuns | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of the pages of a track, its runs and its tunings, and of their downloads.

    Args:
        frame: frame around every page (title and navigation).
        tables: the track's tables, with its runs' records.
        tunings: the track's tunings, from ``tuning_tables``.
        mlflow: address of a run's page in MLflow, by run id.
        words: what the track's spec says of it.
        remarks: texts of remarks by table and row.
        kept: runs' files of an earlier build, which are left out while they need no change.

    """
    environment = template_environment()
    yield from render_tunings(environment, frame, tunings, has_runs=bool(tables))
    for page in track_pages(tables, words, remarks):
        yield from render_track(environment, frame, page, tunings)
        yield from render_runs(environment, frame, page.tables, mlflow, kept or KeptRuns())
