"""The static site: a start page, a page for each track and experiment, and the files they need; needs no network."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from benchsuite.record.experiment import ExperimentRecord
from benchsuite.record.model import RunRecord, RunStatus
from benchsuite.record.store import BrokenRecord
from benchsuite.spec.claims import ClaimCases
from benchsuite.spec.published import PublishedError
from benchsuite.version import __version__
from benchsuite_leaderboard import charts, claims_page, experiment_charts, formatting
from benchsuite_leaderboard.claim_model import VERDICT_WORDS, ClaimVerdict
from benchsuite_leaderboard.claims import judge
from benchsuite_leaderboard.experiment_tables import ExperimentTable, summarize_experiments
from benchsuite_leaderboard.model import BASELINE_RULE, RuleRow, TrackTable
from benchsuite_leaderboard.output import publish
from benchsuite_leaderboard.tables import summarize

# As ``benchsuite.spec.base.Name``; checked again because it becomes a path.
PAGE_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,79}")

# About 50 bytes a point: a page with its tables stays well under 1 MB.
POINTS_A_PAGE = 12_000

DEFAULT_TITLE = "Credit assignment leaderboard"


@dataclass(frozen=True)
class BuildReport:
    """What a build read and wrote."""

    out: Path
    index: Path
    """The page to open."""
    files: tuple[str, ...]
    """All files of the site, relative to ``out``."""
    tables: int
    records: int
    """Different records of runs that went in."""
    experiments: int
    """Different records of experiments that went in."""
    statuses: dict[RunStatus, int]
    """How they ended."""
    broken: tuple[BrokenRecord, ...]
    """Files that held no usable record; the start page lists them."""


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


def build_site(
    records: Iterable[RunRecord | BrokenRecord],
    out: Path,
    *,
    experiments: Iterable[ExperimentRecord | BrokenRecord] = (),
    title: str = DEFAULT_TITLE,
    published: Iterable[PublishedError] = (),
    claims: Iterable[ClaimCases] = (),
) -> BuildReport:
    """Build the leaderboard from records, with published values and claims beside them, and nothing else.

    The same records give the same bytes, in whatever order they come. Everything is rendered before the first file is
    written, so that a failed build changes nothing.

    Args:
        records: What ``read_folder`` yields; broken ones are reported on the start page.
        experiments: What ``read_experiments`` yields, likewise.
        out: Folder of the site: new, empty, or made by an earlier build. Foreign files in it are left alone.
        title: Heading of the start page.
        published: Test errors of papers, with the run that each is of.
        claims: Statements of papers, with the runs that decide them.

    Returns:
        What was read and written.

    Raises:
        StoreError: if ``out`` is not ours to write to, or cannot be written.
    """
    good: list[RunRecord] = []
    good_experiments: list[ExperimentRecord] = []
    broken: list[BrokenRecord] = []
    for record in (*records, *experiments):
        match record:
            case BrokenRecord():
                broken.append(record)
            case ExperimentRecord():
                good_experiments.append(record)
            case RunRecord():
                good.append(record)
    broken.sort(key=lambda b: (b.path.parts[-2:], b.reason))
    tables = summarize(good, published)
    statuses = Counter(run.status for table in tables for row in table.rows for run in row.runs)
    counted = sum(table.runs for table in tables)
    experiment_tables = summarize_experiments(good_experiments)
    pages = render_pages(tables, broken, title, experiment_tables, judge(claims, good))
    files = {name: text.encode("utf-8", "backslashreplace") for name, text in pages.items()} | _static_files()
    publish(files, out)
    return BuildReport(
        out=out,
        index=out / "index.html",
        files=tuple(sorted(files)),
        tables=len(tables),
        records=counted,
        experiments=len(experiment_tables),
        statuses=dict(sorted(statuses.items())),
        broken=tuple(broken),
    )


def render_pages(
    tables: Iterable[TrackTable],
    broken: Iterable[BrokenRecord],
    title: str,
    experiments: Iterable[ExperimentTable] = (),
    claims: Sequence[ClaimVerdict] = (),
) -> dict[str, str]:
    """Render every page.

    Args:
        tables: As ``summarize`` gives them.
        broken: Files to list as unusable.
        title: Heading of the start page.
        experiments: As ``summarize_experiments`` gives them.
        claims: As ``judge`` gives them.

    Returns:
        HTML by path within the site.

    Raises:
        ValueError: if a track's or an experiment's name could not safely be a file's name.
    """
    by_track: dict[str, list[TrackTable]] = {}
    for table in tables:
        by_track.setdefault(_page_name("track", table.track), []).append(table)
    by_experiment: dict[str, list[ExperimentTable]] = {}
    for experiment in experiments:
        by_experiment.setdefault(_page_name("experiment", experiment.name), []).append(experiment)
    tracks = [TrackPage(name, tuple(members)) for name, members in sorted(by_track.items())]
    studies = [ExperimentPage(name, tuple(members)) for name, members in sorted(by_experiment.items())]
    environment = _environment()
    # Only the file's own folder and name: where somebody keeps their records is not for publication.
    listed = [("/".join(b.path.parts[-2:]), b.reason) for b in broken]
    statuses = Counter(run.status for t in tracks for table in t.tables for row in table.rows for run in row.runs)
    shared: dict[str, Any] = {
        "site_title": title, "tracks": tracks, "experiments": studies, "version": __version__,
        "claims": claims_page.verdict_counts(claims),
    }  # fmt: skip
    index = environment.get_template("index.html.j2")
    pages = {"index.html": index.render(shared, root="", broken=listed, statuses=sorted(statuses.items()), page=None)}
    template = environment.get_template("track.html.j2")
    for track in tracks:
        pages[track.address] = template.render(shared, root="../", page=track, **_drawings(track))
    if claims:
        every = [table for track in tracks for table in track.tables]
        pages[claims_page.ADDRESS] = claims_page.render_claims(environment, shared, claims, every)
    template = environment.get_template("experiment.html.j2")
    for study in studies:
        pages[study.address] = template.render(shared, root="../", page=study, drawings=_experiment_drawings(study))
    return pages


def _page_name(what: str, name: str) -> str:
    if not PAGE_NAME.fullmatch(name):
        raise ValueError(f"{what} {name!r}: not a valid name, so no page can be called after it")
    return name


def _drawings(track: TrackPage) -> dict[str, Any]:
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


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("benchsuite_leaderboard", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # ``tojson`` writes <, >, & and ' as \u003c and so on; ASCII only takes care of U+2028 and U+2029.
    environment.policies["json.dumps_function"] = json.dumps
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": True,
        "separators": (",", ":"),
        "ensure_ascii": True,
        "allow_nan": False,
    }
    for function in (
        formatting.percent,
        formatting.points,
        formatting.mean_sd,
        formatting.plain_mean_sd,
        formatting.interval,
        formatting.number,
        formatting.status_words,
        formatting.shown,
        formatting.settings,
        formatting.as_json,
        formatting.failure_lines,
    ):
        environment.filters[function.__name__] = function
    environment.filters["verdict_words"] = VERDICT_WORDS.__getitem__
    environment.globals.update(baseline=BASELINE_RULE, best_row=_best_row, ties=_ties, baseline_row=_baseline_row)
    return environment


def _best_row(table: TrackTable) -> RuleRow | None:
    return next((row for row in table.rows if row.standing == "best"), None)


def _ties(table: TrackTable) -> list[RuleRow]:
    return [row for row in table.rows if row.standing == "tie"]


def _baseline_row(table: TrackTable) -> RuleRow | None:
    return next((row for row in table.rows if row.is_baseline and row.test_error), None)


def _static_files() -> dict[str, bytes]:
    return dict(_walk(resources.files("benchsuite_leaderboard") / "static", "static"))


def _walk(folder: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    for member in sorted(folder.iterdir(), key=lambda m: m.name):
        name = f"{prefix}/{member.name}"
        if member.is_dir():
            yield from _walk(member, name)
        else:
            yield name, member.read_bytes()
