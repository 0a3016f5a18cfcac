"""Inputs of a site: files and records in memory, sorted into runs, studies, audits and broken files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from benchsuite.errors import nearest
from benchsuite.papers.statements import Cells
from benchsuite.records.audit import RuleAudit
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import BrokenRecord, read_study
from benchsuite.records.remarks import PlacedRemark, read_remarks
from benchsuite.records.store import read_audits, read_timings, read_tunings
from benchsuite.records.study import StudyRecord
from benchsuite.records.timing import TimingRecord
from benchsuite.records.tuning import TuningRecord
from benchsuite_leaderboard.scan import Scan, Seen, scan

T = TypeVar("T")

RecordSource = Path | RunRecord | StudyRecord | BrokenRecord
"""A folder of records, or a record in memory."""

AuditSource = Path | RuleAudit | BrokenRecord
"""A folder written by ``benchsuite audit --out``, or one audit in memory."""

TimingSource = Path | TimingRecord | BrokenRecord
"""A folder of timings, or one timing in memory."""

TuningSource = Path | TuningRecord | BrokenRecord
"""A folder of records of tunings, or one such record in memory."""

RemarkSource = Path | PlacedRemark | BrokenRecord
"""A folder of remarks on rows, or one remark in memory."""


@dataclass(frozen=True)
class Inputs:
    """All inputs found."""

    files: Scan
    runs: Mapping[str, tuple[RunRecord, ...]]
    """Records in memory, by track."""
    studies: tuple[StudyRecord, ...]
    audits: tuple[RuleAudit, ...]
    timings: tuple[TimingRecord, ...]
    tunings: tuple[TuningRecord, ...]
    remarks: tuple[PlacedRemark, ...]
    broken: tuple[BrokenRecord, ...]
    """Broken files that belong to no track."""

    @property
    def tracks(self) -> list[str]:
        """Return the names of all tracks."""
        return sorted({*self.files.tracks, *self.runs, *(tuning.spec.run.track for tuning in self.tunings)})

    @property
    def unplaced(self) -> list[BrokenRecord]:
        """Return a problem for each remark on a track without records."""
        tracks = self.tracks
        lost = (placed for placed in self.remarks if placed.track not in tracks)
        return [
            placed.problem(f"track '{placed.track}' has no records{nearest(placed.track, tracks)}") for placed in lost
        ]

    @property
    def cells(self) -> Cells:
        """Return every track with its tiers."""
        every = (file.seen for files in self.files.tracks.values() for file in files)
        of_files = {(seen.track, seen.tier) for seen in every if seen.tier is not None}
        return of_files | {(run.spec.track, run.spec.tier) for runs in self.runs.values() for run in runs}


def gather(
    records: Path | Iterable[RecordSource],
    audits: Path | Iterable[AuditSource],
    timings: Path | Iterable[TimingSource],
    tunings: Path | Iterable[TuningSource],
    remarks: Path | Iterable[RemarkSource],
    known: Mapping[str, Seen],
    on_many: Callable[[], None] = lambda: None,
) -> Inputs:
    """Find every record and audit; files of runs that an earlier build knows are not read.

    Args:
        records: folders and records.
        audits: folders and audits.
        timings: folders and timings.
        tunings: folders and records of tunings.
        remarks: folders and remarks.
        known: files that an earlier build saw, by ``path_key``.
        on_many: called as soon as it is known that there are many new files.

    """
    folders: list[Path] = []
    runs: dict[str, list[RunRecord]] = {}
    studies: list[StudyRecord | BrokenRecord] = []
    broken: list[BrokenRecord] = []
    for source in [records] if isinstance(records, Path) else records:
        match source:
            case RunRecord():
                runs.setdefault(source.spec.track, []).append(source)
            case StudyRecord():
                studies.append(source)
            case BrokenRecord():
                broken.append(source)
            case _:
                folders.append(source)
    files = scan(folders, known, on_many)
    studies += [read_study(path) for path in files.studies]
    found_audits = _found(audits, read_audits)
    found_timings = _found(timings, read_timings)
    found_tunings = _found(tunings, read_tunings)
    found_remarks = _found(remarks, read_remarks)
    return Inputs(
        files=files,
        runs={track: tuple(members) for track, members in runs.items()},
        studies=tuple(s for s in studies if isinstance(s, StudyRecord)),
        audits=tuple(a for a in found_audits if isinstance(a, RuleAudit)),
        timings=tuple(t for t in found_timings if isinstance(t, TimingRecord)),
        tunings=tuple(t for t in found_tunings if isinstance(t, TuningRecord)),
        remarks=tuple(r for r in found_remarks if isinstance(r, PlacedRemark)),
        broken=(
            *broken,
            *files.broken,
            *(
                found
                for found in (*studies, *found_audits, *found_timings, *found_tunings, *found_remarks)
                if isinstance(found, BrokenRecord)
            ),
        ),
    )


def _found(sources: Path | Iterable[Path | T], read: Callable[[Path], Iterable[T]]) -> list[T]:
    """Return the content of folders, and what is in memory already, in their order."""
    found: list[T] = []
    for source in [sources] if isinstance(sources, Path) else sources:
        found += read(source) if isinstance(source, Path) else [source]
    return found
