"""Render all pages that depend on several tracks; those of rules and of pairs are kept while they need no change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchsuite_leaderboard.compare import pairs_of
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.downloads.board import board_files
from benchsuite_leaderboard.downloads.every_eval_ever import every_eval_ever_files
from benchsuite_leaderboard.pages.about import render_about
from benchsuite_leaderboard.pages.claims import render_claims
from benchsuite_leaderboard.pages.comparisons import render_comparisons
from benchsuite_leaderboard.pages.front import render_front
from benchsuite_leaderboard.pages.rules import render_rules
from benchsuite_leaderboard.pages.studies import render_studies
from benchsuite_leaderboard.pages.tuning import render_tuning_list
from benchsuite_leaderboard.rendering import template_environment

if TYPE_CHECKING:
    from benchsuite_leaderboard.kept_pages import KeptPages
    from benchsuite_leaderboard.pages.frame import Frame


def render_shared(frame: Frame, content: SiteContent, kept: KeptPages) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every page and download.

    Args:
        frame: frame around every page (title and navigation).
        content: everything that the site has.
        kept: pages of an earlier build, which are left out while they need no change.

    Raises:
        ValueError: if a track's, a rule's or a study's name could not safely be a file's name.

    """
    environment = template_environment()
    tables = content.tables
    yield from render_front(environment, frame, content)
    yield from board_files(frame, content, kept)
    yield from every_eval_ever_files(content)
    yield from render_about(environment, frame, content)
    pairs = list(pairs_of(tables))
    yield from render_rules(environment, frame, content, pairs, kept)
    yield from render_comparisons(environment, frame, tables, pairs, content.names, kept)
    yield from render_claims(environment, frame, content)
    yield from render_studies(environment, frame, content.studies)
    yield from render_tuning_list(environment, frame, content.tunings)
