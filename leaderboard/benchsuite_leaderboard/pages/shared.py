"""Render all pages that depend on several tracks; every build makes them again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from benchsuite.papers.verdict_model import ClaimVerdict
from benchsuite.records.audit import RuleAudit
from benchsuite.results.model import TrackTable
from benchsuite_leaderboard.compare import pairs_of
from benchsuite_leaderboard.pages.claims import render_claims
from benchsuite_leaderboard.pages.comparisons import render_comparisons
from benchsuite_leaderboard.pages.front import render_front
from benchsuite_leaderboard.pages.rules import render_rules
from benchsuite_leaderboard.pages.studies import render_studies
from benchsuite_leaderboard.pages.tuning import render_tuning_list
from benchsuite_leaderboard.rendering import template_environment
from benchsuite_leaderboard.study_tables import StudyTable

if TYPE_CHECKING:
    from benchsuite.papers.measured_values import MeasuredValue
    from benchsuite.results.tuning_summary import TuningTable
    from benchsuite_leaderboard.pages.frame import Frame


def render_shared(
    frame: Frame,
    tables: Sequence[TrackTable],
    broken: Sequence[tuple[str, str]],
    studies: Sequence[StudyTable],
    claims: Sequence[ClaimVerdict],
    values: Sequence[MeasuredValue],
    audits: Iterable[RuleAudit],
    tunings: Iterable[TuningTable],
) -> Iterator[tuple[str, str]]:
    """Yield (path, text) of every page and download; curves and records of the tables are not used.

    Args:
        frame: frame around every page (title and navigation).
        tables: tables of all tracks, from ``summarize``.
        broken: unusable files to list, as (name to show, reason).
        studies: tables from ``summarize_studies``.
        claims: verdicts from ``judge``.
        values: published values beside ours, from ``compare_with_published``.
        audits: audits of rules from ``benchsuite audit --out``.
        tunings: the tunings of all tracks, from ``tuning_tables``.

    Raises:
        ValueError: if a track's, a rule's or a study's name could not safely be a file's name.

    """
    environment = template_environment()
    yield from render_front(environment, frame, tables, broken, studies, claims)
    pairs = list(pairs_of(tables))
    yield from render_rules(environment, frame, tables, audits, pairs)
    yield from render_comparisons(environment, frame, tables, pairs)
    yield from render_claims(environment, frame, claims, values, tables)
    yield from render_studies(environment, frame, studies)
    yield from render_tuning_list(environment, frame, tunings)
