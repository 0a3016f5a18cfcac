"""The front page: every rule on every track, the list of tables, the claims' verdicts and the studies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from jinja2 import Environment

from benchsuite.papers.verdict_model import ClaimVerdict
from benchsuite.results.model import TrackTable
from benchsuite_leaderboard.downloads.formats import as_files
from benchsuite_leaderboard.downloads.results import matrix_data, tracks_data
from benchsuite_leaderboard.matrix import GAP_WORDS, build_matrix
from benchsuite_leaderboard.pages.claims import verdict_counts
from benchsuite_leaderboard.pages.frame import Frame
from benchsuite_leaderboard.pages.studies import study_pages
from benchsuite_leaderboard.pages.tracks import track_pages
from benchsuite_leaderboard.study_tables import StudyTable


def render_front(
    environment: Environment,
    frame: Frame,
    tables: Sequence[TrackTable],
    broken: Sequence[tuple[str, str]],
    studies: Iterable[StudyTable],
    claims: Iterable[ClaimVerdict],
) -> Iterator[tuple[str, str]]:
    """Yield the front page and the files for download of its tables.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        tables: tables from ``summarize``.
        broken: unusable files to list, as (name to show, reason).
        studies: tables from ``summarize_studies``.
        claims: verdicts from ``judge``.

    """
    statuses = Counter(run.status for table in tables for row in table.rows for run in row.runs)
    matrix = build_matrix(tables)
    text = environment.get_template("index.html.j2").render(
        frame.variables("", ""),
        broken=broken,
        statuses=sorted(statuses.items()),
        tracks=track_pages(tables),
        studies=study_pages(studies),
        claims=verdict_counts(claims),
        matrix=matrix,
        gap_words=GAP_WORDS,
    )
    yield "index.html", text
    yield from as_files(matrix_data(matrix), "downloads/matrix")
    yield from as_files(tracks_data(tables), "downloads/tracks")
