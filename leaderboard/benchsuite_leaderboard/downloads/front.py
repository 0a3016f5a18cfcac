"""The files for download of the front page's tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchsuite_leaderboard.downloads.formats import as_files
from benchsuite_leaderboard.downloads.headline import headline_data
from benchsuite_leaderboard.downloads.results import matrix_data, tracks_data

if TYPE_CHECKING:
    from benchsuite.results.model import TrackTable
    from benchsuite_leaderboard.board import Board
    from benchsuite_leaderboard.matrix import Matrix
    from benchsuite_leaderboard.names import RuleNames


def front_files(
    board: Board | None, matrix: Matrix, tables: Sequence[TrackTable], names: RuleNames
) -> Iterator[tuple[str, str]]:
    """Yield (path within the site, text) of the headline board, of every rule on every track, and of all tables."""
    if board:
        yield from as_files(headline_data(board, names), "downloads/headline")
    yield from as_files(matrix_data(matrix), "downloads/matrix")
    yield from as_files(tracks_data(tables), "downloads/tracks")
