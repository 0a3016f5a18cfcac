"""The front page: the headline board, error against cost, findings, and every rule on every track."""

from __future__ import annotations

from collections.abc import Iterator

from jinja2 import Environment

from benchsuite_leaderboard.board import build_board
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.cost_figure import cost_figures
from benchsuite_leaderboard.downloads.front import front_files
from benchsuite_leaderboard.findings import find_findings
from benchsuite_leaderboard.groups import OPEN_UP_TO, facets_of, group_tables
from benchsuite_leaderboard.matrix import GAP_WORDS, build_matrix
from benchsuite_leaderboard.pages.frame import PAPERS_ADDRESS, Frame
from benchsuite_leaderboard.pages.studies import study_pages
from benchsuite_leaderboard.search_index import index_of
from benchsuite_leaderboard.sparkline import HEIGHT, WIDTH, curve_words, scale_of

OPEN_BROKEN = 5
"""Broken files that are listed without a click."""


def render_front(environment: Environment, frame: Frame, content: SiteContent) -> Iterator[tuple[str, str]]:
    """Yield the front page and the files for download of its tables.

    Args:
        environment: Jinja environment of the site's templates.
        frame: frame around every page (title and navigation).
        content: everything that the site has.

    """
    names, tables = content.names, content.tables
    matrix = build_matrix(tables)
    board = build_board(tables, content.board)
    columns = [(column.title, list(column.tables.values())) for column in board.columns] if board else []
    if not columns:
        columns = [(table.track, [table]) for table in tables]
    groups = group_tables(tables, names)
    papers = [(paper.title, f"{PAPERS_ADDRESS}#{paper.anchor}") for paper in content.papers]
    text = environment.get_template("index.html.j2").render(
        frame.variables("", ""),
        content=content,
        names=names,
        board=board,
        scales=[scale_of(column.tables.values()) for column in board.columns] if board else [],
        spark=(WIDTH, HEIGHT),
        curve_words=curve_words,
        figures=cost_figures(columns, names),
        findings=find_findings(board, content.claims, names),
        groups=groups,
        facets=facets_of(groups),
        is_open=len(tables) <= OPEN_UP_TO,
        index=index_of(content.rules, tables, content.claims, papers, names),
        studies=study_pages(content.studies),
        matrix=matrix,
        gap_words=GAP_WORDS,
        open_broken=OPEN_BROKEN,
    )
    yield "index.html", text
    yield from front_files(board, matrix, tables, names)
