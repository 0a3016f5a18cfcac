"""Which pages and files a site has, and what each template is given."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jinja2 import Environment

from benchsuite.papers.verdict_model import ClaimVerdict
from benchsuite.records.audit import RuleAudit
from benchsuite.records.store import BrokenRecord
from benchsuite.results.model import TrackTable
from benchsuite.version import __version__
from benchsuite_leaderboard import charts, claims_page, compare_charts, experiment_charts
from benchsuite_leaderboard.compare import Pair, pairs_of
from benchsuite_leaderboard.critical_difference import not_told_from, rank_rules
from benchsuite_leaderboard.experiment_tables import ExperimentTable
from benchsuite_leaderboard.export_tables import (
    audit_data,
    matrix_data,
    pair_data,
    ranking_data,
    rule_data,
    rules_data,
    track_data,
    tracks_data,
)
from benchsuite_leaderboard.exports import as_files
from benchsuite_leaderboard.matrix import GAP_WORDS, build_matrix, rules_of
from benchsuite_leaderboard.rendering import template_environment
from benchsuite_leaderboard.rule_pages import AUDIT_VERDICTS, CLAIM_WORDS, MECHANISMS, RulePage, rule_pages
from benchsuite_leaderboard.run_pages import run_pages

# As ``benchsuite.specs.models.base.Name``; checked again because it becomes a path.
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
        nav = [("tracks", "index.html#matrix"), ("rules", "rules.html"), ("compare", "compare.html")]
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
    mlflow: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Render every page and every file for download.

    Args:
        tables: As ``summarize`` gives them.
        broken: Files to list as unusable.
        title: Heading of the start page.
        experiments: As ``summarize_experiments`` gives them.
        claims: As ``judge`` gives them.
        audits: What ``benchsuite audit --out`` found of the rules.
        mlflow: Address of a run's page in MLflow, by run id.

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
        pages |= dict(render_track(environment, frame, track, mlflow or {}))
    return pages


def track_pages(tables: Iterable[TrackTable]) -> list[TrackPage]:
    """Put together the tables of each track."""
    by_track: dict[str, list[TrackTable]] = {}
    for table in tables:
        by_track.setdefault(page_name("track", table.track), []).append(table)
    return [TrackPage(name, tuple(members)) for name, members in sorted(by_track.items())]


def render_track(
    environment: Environment, frame: Frame, track: TrackPage, mlflow: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield what depends on one track's records alone: its page, its runs' pages and its downloads.

    Args:
        environment: of the site's templates.
        frame: what is around every page.
        track: with its runs' records.
        mlflow: address of a run's page in MLflow, by run id.

    """
    template = environment.get_template("track.html.j2")
    yield track.address, template.render(frame.variables("tracks", "../"), page=track, **_drawings(track))
    for table in track.tables:
        yield from as_files(track_data(table), f"downloads/tracks/{track.name}/{table.table_id}")
    template = environment.get_template("run.html.j2")
    around = frame.variables("tracks", "../../")
    for page in run_pages(track.tables):
        yield page.address, template.render(around, page=page, mlflow=mlflow.get(page.record.run_id))


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
    yield (
        "index.html",
        environment.get_template("index.html.j2").render(
            frame.variables("", ""),
            broken=listed,
            statuses=sorted(statuses.items()),
            tracks=track_pages(tables),
            experiments=studies,
            claims=claims_page.verdict_counts(claims),
            matrix=matrix,
            gap_words=GAP_WORDS,
        ),
    )
    yield from as_files(matrix_data(matrix), "downloads/matrix")
    yield from as_files(tracks_data(tables), "downloads/tracks")
    pairs = list(pairs_of(tables))
    yield from _render_rules(environment, frame, rule_pages(tables, audits), pairs)
    yield from _render_comparisons(environment, frame, tables, pairs)
    if claims:
        shared = frame.variables("claims", "")
        yield claims_page.ADDRESS, claims_page.render_claims(environment, shared, claims, tables)
    template = environment.get_template("experiment.html.j2")
    for study in studies:
        shared = frame.variables("experiments", "../")
        yield study.address, template.render(shared, page=study, drawings=_experiment_drawings(study))


def _render_rules(
    environment: Environment, frame: Frame, rules: Sequence[RulePage], pairs: Sequence[Pair]
) -> Iterator[tuple[str, str]]:
    words = {"claim_words": CLAIM_WORDS, "audit_verdicts": AUDIT_VERDICTS, "mechanisms": MECHANISMS}
    yield (
        "rules.html",
        environment.get_template("rules.html.j2").render(frame.variables("rules", "") | words, rules=rules),
    )
    yield from as_files(rules_data(rules), "downloads/rules")
    template = environment.get_template("rule.html.j2")
    for page in rules:
        page_name("rule", page.name)
        partners = [
            (p.right if p.left == page.name else p.left, p.address) for p in pairs if page.name in (p.left, p.right)
        ]
        around = frame.variables("rules", "../")
        yield page.address, template.render(around | words, page=page, partners=sorted(partners))
        yield from as_files(rule_data(page.name, page.results), f"downloads/rules/{page.name}")
        if page.audit:
            yield from as_files(audit_data(page), f"downloads/audits/{page.name}")


def _render_comparisons(
    environment: Environment, frame: Frame, tables: Sequence[TrackTable], pairs: Sequence[Pair]
) -> Iterator[tuple[str, str]]:
    pages: dict[str, dict[str, str]] = {}
    for pair in pairs:
        for one, other in ((pair.left, pair.right), (pair.right, pair.left)):
            pages.setdefault(page_name("rule", one), {})[other] = pair.address
    rankings = rank_rules(tables)
    yield (
        "compare.html",
        environment.get_template("compare.html.j2").render(
            frame.variables("compare", ""),
            rules=rules_of(tables),
            pairs=pairs,
            pages=pages,
            rankings=rankings,
            by_name={(pair.left, pair.right): pair for pair in pairs},
            like=not_told_from,
            drawings=[compare_charts.ranking_chart(ranking) for ranking in rankings],
        ),
    )
    for ranking in rankings:
        yield from as_files(ranking_data(ranking), f"downloads/ranking-{ranking.tier}")
    template = environment.get_template("pair.html.j2")
    around = frame.variables("compare", "../../")
    for pair in pairs:
        download = f"downloads/compare/{pair.left}/{pair.right}"
        drawing = compare_charts.pair_chart(pair)
        yield pair.address, template.render(around, pair=pair, drawing=drawing, download=f"../../{download}")
        yield from as_files(pair_data(pair), download)


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
