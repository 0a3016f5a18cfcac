"""The static site: a start page, a page for each track and experiment, and the files they need; needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from benchsuite.papers.beside import published_beside
from benchsuite.papers.claim_cases import ClaimCases
from benchsuite.papers.published import PublishedError
from benchsuite.papers.verdicts import judge
from benchsuite.records.audit import RuleAudit
from benchsuite.records.experiment import ExperimentRecord
from benchsuite.records.model import RunRecord, RunStatus
from benchsuite.records.store import BrokenRecord
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.experiment_tables import summarize_experiments
from benchsuite_leaderboard.output import publish
from benchsuite_leaderboard.pages import render_pages

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
    rebuilt: tuple[str, ...] = ()
    """Tracks whose pages were made anew, where an earlier build's could have been kept."""


def build_site(
    records: Iterable[RunRecord | BrokenRecord],
    out: Path,
    *,
    experiments: Iterable[ExperimentRecord | BrokenRecord] = (),
    title: str = DEFAULT_TITLE,
    published: Iterable[PublishedError] = (),
    claims: Iterable[ClaimCases] = (),
    audits: Iterable[RuleAudit | BrokenRecord] = (),
    mlflow: Mapping[str, str] | None = None,
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
        audits: What ``read_audits`` yields.
        mlflow: Address of a run's page in MLflow, by run id.

    Returns:
        What was read and written.

    Raises:
        StoreError: if ``out`` is not ours to write to, or cannot be written.
    """
    good: list[RunRecord] = []
    good_experiments: list[ExperimentRecord] = []
    broken: list[BrokenRecord] = []
    good_audits: list[RuleAudit] = []
    for record in (*records, *experiments, *audits):
        match record:
            case RuleAudit():
                good_audits.append(record)
            case BrokenRecord():
                broken.append(record)
            case ExperimentRecord():
                good_experiments.append(record)
            case RunRecord():
                good.append(record)
    broken.sort(key=lambda b: (b.path.parts[-2:], b.reason))
    tables = summarize(good, published_beside(published))
    statuses = Counter(run.status for table in tables for row in table.rows for run in row.runs)
    counted = sum(table.runs for table in tables)
    experiment_tables = summarize_experiments(good_experiments)
    pages = render_pages(tables, broken, title, experiment_tables, judge(claims, good), good_audits, mlflow)
    files = {name: text.encode("utf-8", "backslashreplace") for name, text in pages.items()} | static_files()
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


def static_files() -> dict[str, bytes]:
    """Return what all pages share, by path within the site."""
    return dict(walk(resources.files("benchsuite_leaderboard") / "static", "static"))


def walk(folder: Traversable, prefix: str) -> Iterable[tuple[str, bytes]]:
    """Yield every file below a folder of a package as (path, content)."""
    for member in sorted(folder.iterdir(), key=lambda m: m.name):
        name = f"{prefix}/{member.name}"
        if member.is_dir():
            yield from walk(member, name)
        else:
            yield name, member.read_bytes()
