"""Build the static site: in full the first time, later only the parts that changed. It needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.papers.statements import FindPapers, Papers
from benchsuite.papers.verdicts import judge
from benchsuite.records.reading import BrokenRecord
from benchsuite_leaderboard.content import SiteContent
from benchsuite_leaderboard.inputs import AuditSource, RecordSource, RemarkSource, TimingSource, TuningSource, gather
from benchsuite_leaderboard.memory import FILES, files_to_remember, remembered_files
from benchsuite_leaderboard.output import Content, owned_files, publish, staged_files, staging_folder, standing_files
from benchsuite_leaderboard.package_files import static_files
from benchsuite_leaderboard.pages.frame import Frame
from benchsuite_leaderboard.pages.shared import render_shared
from benchsuite_leaderboard.renewal import EarlierSite, TrackProcesses, make_tracks, track_jobs
from benchsuite_leaderboard.study_tables import Summarize, summarize_studies, without_plugins

if TYPE_CHECKING:
    from benchsuite.records.model import RunStatus

DEFAULT_TITLE = "Credit assignment leaderboard"

NOTHING_PUBLISHED = Papers()


@dataclass(frozen=True)
class BuildReport:
    """Counts and files that a build read and wrote."""

    out: Path
    index: Path
    """The page to open."""
    files: tuple[str, ...]
    """All files of the site, relative to ``out``."""
    tables: int
    records: int
    """Number of different records of runs."""
    studies: int
    """Number of different records of studies."""
    statuses: dict[RunStatus, int]
    """Number of runs per status."""
    broken: tuple[BrokenRecord, ...]
    """Files that held no usable record; the start page lists them."""
    left_out: tuple[str, ...] = ()
    """Messages about published values and claims that could not be read."""
    rebuilt: tuple[str, ...] = ()
    """Tracks whose pages were made again by a build that could keep an earlier one's pages."""


def build_site(
    records: Path | Iterable[RecordSource],
    out: Path,
    *,
    audits: Path | Iterable[AuditSource] = (),
    timings: Path | Iterable[TimingSource] = (),
    tunings: Path | Iterable[TuningSource] = (),
    remarks: Path | Iterable[RemarkSource] = (),
    papers: Papers | FindPapers = NOTHING_PUBLISHED,
    summarize: Summarize = without_plugins,
    mlflow: Mapping[str, str] | None = None,
    title: str = DEFAULT_TITLE,
    repository_url: str = "",
    fresh: bool = False,
    processes: int = 1,
) -> BuildReport:
    """Build or renew the leaderboard site from records, and nothing else.

    The same records give the same bytes, in whatever order they come and whatever was there before. Everything is
    rendered before the first file of the site changes, so that a failed build changes nothing.

    Args:
        records: folders of records, records in memory, or both.
        out: folder of the site: new, empty, or made by an earlier build. Foreign files in it are left alone.
        audits: folders written by ``benchsuite audit --out``, audits in memory, or both.
        timings: folders written by ``benchsuite time``, timings in memory, or both; the only source of costs.
        tunings: folders of records of tunings, such records in memory, or both.
        remarks: folders of remarks on rows, remarks in memory, or both.
        papers: published values and claims; or a function that finds them for the tracks and tiers with records.
        summarize: returns the rows and figures of a study's record, by the plugin of its kind.
        mlflow: address of a run's page in MLflow, by run id.
        title: heading of the front page.
        repository_url: address of the repository, if it is not the one that the package names.
        fresh: build in full, and ignore what an earlier build left.
        processes: largest number of processes, used if there are hundreds of new records. With more than one, each
            process imports the main script, so a script needs ``if __name__ == "__main__":`` around its work.

    Returns:
        Counts of what was read, and the files of the site.

    Raises:
        BenchsuiteError: if ``repository_url`` is no plain https address.
        StoreError: if ``out`` is not ours to write to, or cannot be written.

    """
    owned = owned_files(out)
    with ExitStack() as stack:
        workers = stack.enter_context(TrackProcesses(processes))
        known = {} if fresh else remembered_files(out)
        inputs = gather(records, audits, timings, tunings, remarks, known, on_many=workers.start)
        papers = papers if isinstance(papers, Papers) else papers(inputs.cells)
        has_papers = bool(papers.rules or papers.claims)
        frame = Frame(
            title, bool(papers.claims), bool(inputs.studies), bool(inputs.tunings), has_papers, repository_url
        )
        staging = stack.enter_context(staging_folder(out))
        jobs = list(track_jobs(inputs, papers, frame, mlflow or {}, staging))
        standing = set() if fresh else standing_files(out, owned)
        earlier = EarlierSite(out, standing)
        results, unchanged = make_tracks(jobs, earlier, workers)
        kept = earlier.pages()
        tables = [table for result in results for table in result.tables]
        broken = [
            *inputs.broken,
            *inputs.unplaced,
            *(BrokenRecord(Path(p), why) for r in results for p, why in r.broken),
        ]
        broken.sort(key=lambda b: (b.path.parts[-2:], b.reason))
        verdicts = judge(papers.claims, [record for result in results for record in result.evidence])
        studies = summarize_studies(inputs.studies, summarize)
        # Show only the file's own folder and name: the site must not reveal where somebody keeps their records.
        listed = [("/".join(b.path.parts[-2:]), b.reason) for b in broken]
        content = SiteContent(
            tables=tables,
            broken=listed,
            studies=studies,
            claims=verdicts,
            values=[value for result in results for value in result.values],
            published={each.reference.name: len(each.reference.entries) for each in papers.published},
            audits=inputs.audits,
            tunings=[table for result in results for table in result.tunings],
            remarks={table: texts for result in results for table, texts in result.remarks.items()},
            arrivals=[arrival for result in results for arrival in result.arrivals],
            board=papers.board,
            stated=papers.rules,
        )
        pages = render_shared(frame, content, kept)
        files: dict[str, Content] = dict(staged_files(staging))
        files |= {name: text.encode("utf-8", "backslashreplace") for name, text in pages} | static_files()
        files |= {FILES: files_to_remember(inputs.files.tracks)} | kept.to_remember()
        unchanged |= kept.unchanged
        publish(files, out, staging, owned, unchanged)
    statuses = Counter(run.status for table in tables for row in table.rows for run in row.runs)
    return BuildReport(
        out=out,
        index=out / "index.html",
        files=tuple(sorted({*files, *unchanged})),
        tables=len(tables),
        records=sum(table.runs for table in tables),
        studies=len(studies),
        statuses=dict(sorted(statuses.items())),
        broken=tuple(broken),
        rebuilt=tuple(sorted(name[7:-5] for name in files if name.startswith("tracks/"))),
    )
