"""Which pages and files a site has, and what each template is given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment

from benchsuite.record.audit import RuleAudit
from benchsuite.record.store import BrokenRecord
from benchsuite.version import __version__
from benchsuite_leaderboard import charts, claims_page, experiment_charts
from benchsuite_leaderboard.claim_model import ClaimVerdict
from benchsuite_leaderboard.experiment_tables import ExperimentTable
from benchsuite_leaderboard.export_tables import matrix_data, track_data, tracks_data
from benchsuite_leaderboard.exports import as_files
from benchsuite_leaderboard.matrix import GAP_WORDS, build_matrix
from benchsuite_leaderboard.model import TrackTable
from benchsuite_leaderboard.rendering import template_environment

# As ``benchsuite.spec.base.Name``; checked again because it becomes a path.
PAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")

# About 50 bytes a point: a page with its tables stays well under 1 MB.
POINTS_A_PAGE = 12_000


@dataclass(frozen=True)
class TrackPage:
    """One track and its tables, as the templates see it."""

    name: str
    tables: tuple[TrackTable, ...]

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return f"tracks/{self.name}.html"


@dataclass(frozen=True)
class ExperimentPage:
    """One experiment with each of the settings it was made with, as the templates see it."""

    name: str
    tables: tuple[ExperimentTable, ...]

    @property
    def address(self) -> str:
        """Return the page's path within the site."""
        return f"experiments/{self.name}.html"


@dataclass(frozen=True)
class Frame:
    """What every page has around it; the same for all pages of a site, whatever changes within."""

    title: str
    has_claims: bool
    has_experiments: bool

    def variables(self, here: str, root: str) -> dict[str, Any]:
        """Return what ``base.html.j2`` is given.

        Args:
            here: name of the section that the page belongs to; empty for the front page.
            root: the way from the page's folder to the site's.

        """
        nav = [("tracks", "index.html#matrix")]
        nav += [("claims", claims_page.ADDRESS)] if self.has_claims else []
        nav += [("experiments", "index.html#experiments")] if self.has_experiments else []
        return {"site_title": self.title, "version": __version__, "nav": nav, "here": here, "root": root}


def render_pages(
    tables: Iterable[TrackTable],
    broken: Iterable[BrokenRecord],
    title: str,
    experiments: Iterable[ExperimentTable] = (),
    claims: Sequence[ClaimVerdict] = (),
    audits: Iterable[RuleAudit] = (),
) -> dict[str, str]:
    """Render every page and every file for download.

    Args:
        tables: As ``summarize`` gives them.
        broken: Files to list as unusable.
        title: Heading of the start page.
        experiments: As ``summarize_experiments`` gives them.
        claims: As ``judge`` gives them.
        audits: What ``benchsuite audit --out`` found of the rules.

    Returns:
        Texts by path within the site.

    Raises:
        ValueError: if a track's, a rule's or an experiment's name could not safely be a file's name.

    """
    tables, experiments = list(tables), list(experiments)
    frame = Frame(title, bool(claims), bool(experiments))
    environment = template_environment()
    pages = dict(render_shared(environment, frame, tables, broken, experiments, claims, audits))
    for track in track_pages(tables):
        pages |= dict(render_track(environment, frame, track))
    return pages


def track_pages(tables: Iterable[TrackTable]) -> list[TrackPage]:
    """Put together the tables of each track."""
    by_track: dict[str, list[TrackTable]] = {}
    for table in tables:
        by_track.setdefault(page_name("track", table.track), []).append(table)
    return [TrackPage(name, tuple(members)) for name, members in sorted(by_track.items())]


def render_track(environment: Environment, frame: Frame, track: TrackPage) -> Iterator[tuple[str, str]]:
    """Yield what depends on one track's records alone: its page, its runs' pages and its downloads."""
    template = environment.get_template("track.html.j2")
    yield track.address, template.render(frame.variables("tracks", "../"), page=track, **_drawings(track))
    for table in track.tables:
        yield from as_files(track_data(table), f"downloads/tracks/{track.name}/{table.table_id}")


def render_shared(
    environment: Environment,
    frame: Frame,
    tables: Sequence[TrackTable],
    broken: Iterable[BrokenRecord],
    experiments: Iterable[ExperimentTable],
    claims: Sequence[ClaimVerdict],
    audits: Iterable[RuleAudit],
) -> Iterator[tuple[str, str]]:
    """Yield what depends on several tracks; of the tables, curves and records are not looked at."""
    by_experiment: dict[str, list[ExperimentTable]] = {}
    for experiment in experiments:
        by_experiment.setdefault(page_name("experiment", experiment.name), []).append(experiment)
    studies = [ExperimentPage(name, tuple(members)) for name, members in sorted(by_experiment.items())]
    # Only the file's own folder and name: where somebody keeps their records is not for publication.
    listed = [("/".join(b.path.parts[-2:]), b.reason) for b in broken]
    statuses = Counter(run.status for table in tables for row in table.rows for run in row.runs)
    matrix = build_matrix(tables)
    yield "index.html", environment.get_template("index.html.j2").render(
        frame.variables("", ""), broken=listed, statuses=sorted(statuses.items()), tracks=track_pages(tables),
        experiments=studies, claims=claims_page.verdict_counts(claims), matrix=matrix, gap_words=GAP_WORDS,
    )  # fmt: skip
    yield from as_files(matrix_data(matrix), "downloads/matrix")
    yield from as_files(tracks_data(tables), "downloads/tracks")
    if claims:
        shared = frame.variables("claims", "")
        yield claims_page.ADDRESS, claims_page.render_claims(environment, shared, claims, tables)
    template = environment.get_template("experiment.html.j2")
    for study in studies:
        shared = frame.variables("experiments", "../")
        yield study.address, template.render(shared, page=study, drawings=_experiment_drawings(study))


def page_name(what: str, name: str) -> str:
    """Return a name that may be a file's.

    Raises:
        ValueError: if it may not.

    """
    if not PAGE_NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r}: not a valid name, so no page can be called after it")
    return name


def without_curves(table: TrackTable) -> TrackTable:
    """Return a table as the shared pages need it: no curves and no records."""
    rows = (
        replace(row, curve=(), diagnostics=(), runs=tuple(replace(run, record=None, test_curve={}) for run in row.runs))
        for row in table.rows
    )
    return replace(table, rows=tuple(rows))


def _drawings(track: TrackPage) -> Mapping[str, Any]:
    budget = POINTS_A_PAGE // len(track.tables)
    return {
        "series": {t.table_id: charts.assign_series(t) for t in track.tables},
        "learning": {t.table_id: charts.learning_curves(t, budget // 2) for t in track.tables},
        "alignment": {t.table_id: charts.alignment_charts(t, budget // 2) for t in track.tables},
    }


def _experiment_drawings(page: ExperimentPage) -> dict[str, dict[str, Any]]:
    budget = POINTS_A_PAGE // len(page.tables)
    return {
        table.experiment_id: {
            "series": experiment_charts.experiment_series(table),
            "error": experiment_charts.error_chart(table, budget // 2),
            "correlations": experiment_charts.correlation_charts(table, budget // 2),
        }
        for table in page.tables
    }
