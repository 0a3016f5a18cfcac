"""Copy records between folders: export from a store, import into one. Nothing is lost or overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.files import create_text_atomically, write_text_atomically
from benchsuite.records.checks import identity_of, inconsistencies
from benchsuite.records.lint import CheckStudy
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import BrokenRecord, read_document, record_text
from benchsuite.records.store import FOLDERS_OF_STUDIES, STUDIES, RecordStore
from benchsuite.records.study import StudyRecord
from benchsuite.records.tuning import TuningRecord

Record = RunRecord | StudyRecord | TuningRecord


@dataclass
class Transfer:
    """The outcome of one export or import, record by record."""

    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    """Identical records that existed already."""
    conflicts: list[Path] = field(default_factory=list)
    """Existing files with different content; not changed."""
    refused: list[BrokenRecord] = field(default_factory=list)
    """Sources that are not a record, or an inconsistent one."""

    @property
    def complete(self) -> bool:
        """True if every source is now in its place."""
        return not self.conflicts and not self.refused


def transfer(
    sources: Iterable[Path],
    path_of: Callable[[Record], Path],
    *,
    replace: bool = False,
    change: Callable[[Record], Record] | None = None,
    check_study: CheckStudy = lambda _record: [],
) -> Transfer:
    """Copy each record to its place; each file is written atomically.

    Args:
        sources: files of records of runs or studies.
        path_of: returns the path of a record's copy.
        replace: overwrite an existing, different record instead of reporting a conflict.
        change: returns what is written of a record; None to write it as it is.
        check_study: returns the problems of a study's result, which only the plugin of its kind can check.

    Raises:
        StoreError: if a folder cannot be written.

    """
    done = Transfer()
    for source in sources:
        record = read_document(source)
        if isinstance(record, BrokenRecord):
            done.refused.append(record)
            continue
        of_result = check_study(record) if isinstance(record, StudyRecord) else []
        if problems := [*inconsistencies(record, source), *of_result]:
            done.refused.append(BrokenRecord(source, "; ".join(problems)))
            continue
        path = path_of(record)
        record = change(record) if change else record
        if read_document(path) == record:
            done.unchanged.append(path)
        elif replace:
            write_text_atomically(path, record_text(record))
            done.written.append(path)
        else:
            _create(path, record, done)
    return done


def _create(path: Path, record: Record, done: Transfer) -> None:
    try:
        create_text_atomically(path, record_text(record))
    except FileExistsError:
        done.conflicts.append(path)
    else:
        done.written.append(path)


def place_in_store(store: RecordStore) -> Callable[[Record], Path]:
    """Return the function that gives a record's path in a store."""

    def path_of(record: Record) -> Path:
        folders = {
            RunRecord: store.records_folder,
            StudyRecord: store.studies_folder,
            TuningRecord: store.tunings_folder,
        }
        folder = folders[type(record)]
        return folder / f"{identity_of(record)}.json"

    return path_of


def track_of(record: Record) -> str:
    """Return the track of a run or a tuning; empty for a study."""
    if isinstance(record, TuningRecord):
        return record.spec.run.track
    return record.spec.track if isinstance(record, RunRecord) else ""


def place_by_track(folder: Path) -> Callable[[Record], Path]:
    """Return the function that gives a record's path in a review folder: runs and tunings by track, studies apart."""

    def path_of(record: Record) -> Path:
        # Studies are recognized by their folder, so no folder of runs may have its name.
        track = track_of(record)
        inner = f"{track}.runs" if track in FOLDERS_OF_STUDIES else track or STUDIES
        return folder / inner / f"{identity_of(record)}.json"

    return path_of
