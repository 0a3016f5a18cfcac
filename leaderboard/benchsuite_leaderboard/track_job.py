"""Make one track's pages from its records; a build does this for changed tracks, in separate processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.papers.measured_values import compare_with_published
from benchsuite.papers.published_lookup import published_beside
from benchsuite.records.reading import BrokenRecord, read_checked_record, read_record_and_text
from benchsuite.results.row_names import NamedSettings, by_settings
from benchsuite.results.tables import summarize
from benchsuite.results.tuning_summary import tuning_tables
from benchsuite_leaderboard.arrivals import arrivals_of
from benchsuite_leaderboard.kept_runs import KeptRuns
from benchsuite_leaderboard.lasting_parts import is_wanted, slim, without_curves
from benchsuite_leaderboard.pages.of_track import render_of_track
from benchsuite_leaderboard.remarks import remarks_by_row
from benchsuite_leaderboard.track_result import RESULT, TrackResult

if TYPE_CHECKING:
    from benchsuite.papers.published import PublishedNumber
    from benchsuite.records.model import RunRecord
    from benchsuite.records.remarks import PlacedRemark
    from benchsuite.records.timing import TimingRecord
    from benchsuite.records.tuning import TuningRecord
    from benchsuite.results.board_plan import TrackWords
    from benchsuite.results.planned import PlansByTrack
    from benchsuite.results.validity import Validity
    from benchsuite_leaderboard.pages.frame import Frame


@dataclass(frozen=True)
class TrackJob:
    """Everything that one track's pages depend on."""

    track: str
    key: str
    """Hash of all of these inputs."""
    files: tuple[str, ...]
    """Paths of files of records."""
    read: Mapping[str, RunRecord | BrokenRecord]
    """Content of files that were already read, by path."""
    given: tuple[RunRecord, ...]
    """Records given in memory, without a file."""
    frame: Frame
    published: tuple[PublishedNumber, ...]
    names: tuple[NamedSettings, ...]
    """Names of variants."""
    plans: PlansByTrack
    """The track's planned comparisons, if it states them."""
    timings: tuple[TimingRecord, ...]
    """Step times of the track's rules."""
    tunings: tuple[TuningRecord, ...]
    remarks: tuple[PlacedRemark, ...]
    """Remarks on the track's rows."""
    validity: Validity
    """Thresholds of validity checks, and what rules claim."""
    wanted: frozenset[str]
    """Conditions of the runs that decide claims."""
    metrics: frozenset[str]
    """Diagnostics that claims are about."""
    epochs: frozenset[int]
    """Epochs that claims are about, other than the last."""
    mlflow: Mapping[str, str]
    folder: Path
    """Folder that the pages are written to."""
    words: TrackWords | None = None
    """The words of the track's spec."""
    sources: tuple[str, ...] = ()
    """Identifies the content of each record, those given in memory first."""
    around: str = ""
    """Hash of the generator and of the frame."""
    earlier: Mapping[str, str] = field(default_factory=dict)
    """Key of each run's page in an earlier build, by address."""
    earlier_files: frozenset[str] = frozenset()
    """Files of that build's track that are still there."""
    checked: frozenset[str] = frozenset()
    """Sources whose records that build found to be good."""

    @property
    def size(self) -> int:
        """Return the number of records."""
        return len(self.files) + len(self.given)


def build_track(job: TrackJob) -> bytes:
    """Read one track's records, write its pages into the job's folder, and return the ``TrackResult`` as JSON.

    The same records give the same pages, in whatever order their files come.
    """
    good: list[RunRecord] = []
    broken: list[BrokenRecord] = []
    kept = KeptRuns(job.around, job.earlier, job.earlier_files)
    checked = []
    for record, text, source in _records(job):
        if isinstance(record, BrokenRecord):
            broken.append(record)
            continue
        checked.append(source)
        kept.sources[id(record)] = source
        if text:
            kept.texts[id(record)] = text
        good.append(record)
    evidence = tuple(slim(record, job.metrics, job.epochs) for record in good if is_wanted(record, job.wanted))
    published, names = published_beside(job.published), by_settings(job.names)
    tables = summarize(good, published, names, job.plans, job.timings, job.validity, job.tunings)
    tunings = tuning_tables(job.tunings, tables)
    remarks, unplaced = remarks_by_row(job.remarks, tables)
    broken += unplaced
    written = []
    folders = set()
    for name, text in render_of_track(job.frame, tables, tunings, job.mlflow, job.words, remarks, kept):
        folder = name.rpartition("/")[0]
        if folder not in folders:
            (job.folder / folder).mkdir(parents=True, exist_ok=True)
            folders.add(folder)
        (job.folder / name).write_bytes(text.encode("utf-8", "backslashreplace"))
        written.append(name)
    result = TrackResult(
        key=job.key,
        tables=tuple(without_curves(table) for table in tables),
        tunings=tuple(tunings),
        evidence=evidence,
        remarks=remarks,
        values=tuple(value for value in compare_with_published(job.published, good) if value.run_ids),
        broken=tuple((str(b.path), b.reason) for b in broken),
        arrivals=arrivals_of(tables),
        written=(*written, *sorted(kept.unchanged)),
        kept=tuple(sorted(kept.unchanged)),
        checked=tuple(sorted(checked)),
        run_keys=kept.keys,
    )
    return RESULT.dump_json(result)


def _records(job: TrackJob) -> Iterator[tuple[RunRecord | BrokenRecord, str, str]]:
    """Yield the track's records, each with its file's text if that is known to be ``record_text``, and its source."""
    in_memory = len(job.given)
    for record, source in zip(job.given, job.sources[:in_memory], strict=True):
        yield record, "", source
    for path, source in zip(job.files, job.sources[in_memory:], strict=True):
        if known := job.read.get(path):
            yield known, "", source
        elif source in job.checked:
            yield read_checked_record(Path(path)), "", source
        else:
            yield *read_record_and_text(Path(path)), source
