"""Records on disk: one JSON file per run or study, written atomically, read as untrusted data."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchsuite.errors import StoreError
from benchsuite.files import LEFT_OVER_AFTER_S, remove_left_over, set_aside, write_text_atomically
from benchsuite.records.audit import RuleAudit
from benchsuite.records.model import FINAL_STATUSES, RunRecord
from benchsuite.records.reading import (
    MAX_RECORD_BYTES,
    BrokenRecord,
    read_audit,
    read_record,
    read_study,
    read_timing,
    read_tuning,
    record_text,
)
from benchsuite.records.rescue import rescued
from benchsuite.records.running import release_lock, remove_dead_markers
from benchsuite.records.study import StudyRecord
from benchsuite.records.timing import TimingRecord
from benchsuite.records.tuning import TuningRecord

__all__ = [
    "AUDITS",
    "FOLDERS_OF_STUDIES",
    "MAX_RECORD_BYTES",
    "REMARKS",
    "SITE_MARKER",
    "STUDIES",
    "TIMINGS",
    "TUNINGS",
    "BrokenRecord",
    "RecordStore",
    "audit_folders",
    "is_study",
    "is_timing",
    "read_audits",
    "read_folder",
    "read_record",
    "read_studies",
    "read_study",
    "read_timings",
    "read_tunings",
    "record_files",
    "remark_folders",
    "timing_folders",
    "tuning_folders",
]

logger = logging.getLogger("benchsuite.records")

SITE_MARKER = ".benchsuite-site"
"""Name of the file that marks a folder as a built site, which contains no records."""

STUDIES = "studies"
"""Name of the folder whose files are records of studies and not of runs."""

TUNINGS = "tuning"
"""Name of the folder whose files are records of tunings."""

FOLDERS_OF_STUDIES = (STUDIES, "experiments")
"""Today's name and the former one, which is still read and never written."""

TIMINGS = "timing"
"""Name of the folder whose files are timings and neither runs nor studies."""


AUDITS = "audits"
"""Name of the folder whose files are audits of rules."""

REMARKS = "remarks"
"""Name of the folder whose files are remarks on rows, in YAML."""


class RecordStore:
    """A folder with ``records/``, ``studies/``, ``timing/``, ``tuning/``, ``checkpoints/`` and ``running/`` under it.

    ``replaced/`` has final records whose runs were made again with other code or data; nothing reads it.
    Any number of processes may share it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records_folder = root / "records"
        self.studies_folder = root / STUDIES
        self.timings_folder = root / TIMINGS
        self.tunings_folder = root / TUNINGS
        self.checkpoints_folder = root / "checkpoints"
        self.running_folder = root / "running"
        self.replaced_folder = root / "replaced"

    @property
    def folders_of_records(self) -> list[Path]:
        """All folders that have records of runs or studies, those of an older store included."""
        return [self.records_folder, *(self.root / name for name in FOLDERS_OF_STUDIES)]

    def prepare(self) -> None:
        """Create the folders, check that they are writable, and delete what killed processes left half-written.

        Raises:
            StoreError: if they are not; nothing has been run then.

        """
        write_text_atomically(self.root / ".benchsuite-store", json.dumps({"layout": 1}) + "\n")
        for folder in (self.records_folder, self.studies_folder, self.checkpoints_folder, self.running_folder):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot create {folder}: {error.strerror or error}") from error
            remove_left_over(folder, older_than_s=LEFT_OVER_AFTER_S)
        remove_left_over(self.root, older_than_s=LEFT_OVER_AFTER_S)
        remove_dead_markers(self.running_folder)

    def path_of(self, run_id: str) -> Path:
        """Return the path of this run's record, whether or not it exists."""
        return self.records_folder / f"{run_id}.json"

    def log_path_of(self, run_id: str) -> Path:
        """Return the path of the output of this run's process; the file exists only if there was output."""
        return self.records_folder / f"{run_id}.log"

    def release_lock(self, run_id: str) -> None:
        """Release the lock of a process that was working on this run and is known to have ended."""
        release_lock(self.running_folder, run_id)

    def write(self, record: RunRecord) -> Path:
        """Write a record, replacing an older one of the same run, and return its path.

        An older file that is no record is set aside, with a warning. A final record of other code or data is kept in
        ``replaced/``: the new run may have crashed.

        Raises:
            StoreError: if it cannot be written; the record is then kept elsewhere, and the message says where.

        """
        path = self.path_of(record.run_id)
        self._write(path, record, read_record)
        return path

    def _write(
        self,
        path: Path,
        record: RunRecord | StudyRecord | TuningRecord,
        read: Callable[[Path], RunRecord | StudyRecord | TuningRecord | BrokenRecord],
    ) -> None:
        try:
            older = read(path) if os.path.lexists(path) else None
            if isinstance(older, BrokenRecord):
                aside = set_aside(path)
                logger.warning("%s was no usable record: %s; made again, the old file is %s", path, older.reason, aside)
            elif isinstance(older, RunRecord) and isinstance(record, RunRecord):
                self._keep_if_other(older, record)
            write_text_atomically(path, record_text(record))
        except StoreError as error:
            raise rescued(path.name, record_text(record), self.root, error) from error

    def _keep_if_other(self, older: RunRecord, record: RunRecord) -> None:
        if older.status not in FINAL_STATUSES or older.result_key == record.result_key:
            return
        kept = self.replaced_folder / f"{older.run_id}-{older.result_key[:8]}.json"
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(kept, record_text(older))
        except (OSError, StoreError) as error:  # the new record matters more
            logger.warning("the replaced record of %s could not be kept in %s: %s", older.run_id, kept.parent, error)

    def find(self, run_id: str) -> RunRecord | None:
        """Return the record of this run, or None if there is no readable one."""
        found = read_record(self.path_of(run_id))
        return found if isinstance(found, RunRecord) else None

    def read_all(self) -> Iterator[RunRecord | BrokenRecord]:
        """Yield every record in the order of file names, broken ones as ``BrokenRecord``."""
        yield from read_folder(self.records_folder)

    def write_study(self, record: StudyRecord) -> Path:
        """Write a record, replacing an older one of the same study, and return its path; as ``write`` does."""
        path = self.studies_folder / f"{record.study_id}.json"
        self._write(path, record, read_study)
        return path

    def write_timing(self, record: TimingRecord) -> Path:
        """Write a timing, replacing an older one of the same rules and hardware, and return its path.

        Raises:
            StoreError: if it cannot be written; the record is then kept elsewhere, and the message says where.

        """
        path = self.timings_folder / record.track / f"{record.timing_id}.json"
        try:
            write_text_atomically(path, record_text(record))
        except StoreError as error:
            raise rescued(path.name, record_text(record), self.root, error) from error
        return path

    def usable_timings(self) -> list[TimingRecord]:
        """Return the store's readable timings, in the order of paths."""
        found = read_timings(self.timings_folder)
        return [timing for timing in found if isinstance(timing, TimingRecord)]

    def write_tuning(self, record: TuningRecord) -> Path:
        """Write a record, replacing an older one of the same tuning, and return its path; as ``write`` does."""
        path = self.tunings_folder / f"{record.tuning_id}.json"
        self._write(path, record, read_tuning)
        return path

    def find_tuning(self, tuning_id: str) -> TuningRecord | None:
        """Return the record of this tuning, or None if there is no readable one."""
        found = read_tuning(self.tunings_folder / f"{tuning_id}.json")
        return found if isinstance(found, TuningRecord) else None

    def find_study(self, study_id: str) -> StudyRecord | None:
        """Return the record of this study, or None if there is no readable one."""
        for folder in FOLDERS_OF_STUDIES:
            found = read_study(self.root / folder / f"{study_id}.json")
            if isinstance(found, StudyRecord):
                return found
        return None

    def read_studies(self) -> Iterator[StudyRecord | BrokenRecord]:
        """Yield every study's record in the order of paths, broken ones as ``BrokenRecord``."""
        for folder in FOLDERS_OF_STUDIES:
            yield from read_studies(self.root / folder)


def read_folder(folder: Path) -> Iterator[RunRecord | BrokenRecord]:
    """Yield every ``*.json`` of a folder and its subfolders as a run's record, in the order of paths.

    Folders of studies and of timings are skipped; ``read_studies`` and ``read_timings`` read those.
    """
    for path in record_files(folder):
        if not is_study(path, folder) and not is_timing(path, folder):
            yield read_record(path)


def read_studies(folder: Path) -> Iterator[StudyRecord | BrokenRecord]:
    """Yield the records in folders named ``studies``, this one or any below it, in the order of paths."""
    for path in record_files(folder):
        if is_study(path, folder):
            yield read_study(path)


def timing_folders(folders: Iterable[Path]) -> list[Path]:
    """Return the folders of timings that stand beside or in folders of records, in a store as in a checkout."""
    return _folders_beside(folders, TIMINGS)


def tuning_folders(folders: Iterable[Path]) -> list[Path]:
    """Return the folders of tunings that stand beside or in folders of records, in a store as in a checkout."""
    return _folders_beside(folders, TUNINGS)


def audit_folders(folders: Iterable[Path]) -> list[Path]:
    """Return the folders of audits that stand beside or in folders of records, in a store as in a checkout."""
    return _folders_beside(folders, AUDITS)


def remark_folders(folders: Iterable[Path]) -> list[Path]:
    """Return the folders of remarks that stand beside or in folders of records, in a store as in a checkout."""
    return _folders_beside(folders, REMARKS)


def _folders_beside(folders: Iterable[Path], name: str) -> list[Path]:
    found = (place / name for folder in folders for place in (folder.resolve().parent, folder))
    return list(dict.fromkeys(place for place in found if place.is_dir()))


def read_timings(*folders: Path) -> Iterator[TimingRecord | BrokenRecord]:
    """Yield every ``*.json`` of some folders and their subfolders as a timing, in the order of paths."""
    for path in record_files(*folders):
        yield read_timing(path)


def read_audits(folder: Path) -> Iterator[RuleAudit | BrokenRecord]:
    """Yield every ``*.json`` of a folder as the audit of a rule, in the order of paths."""
    for path in record_files(folder):
        yield read_audit(path)


def read_tunings(folder: Path) -> Iterator[TuningRecord | BrokenRecord]:
    """Yield every ``*.json`` of a folder and its subfolders as the record of a tuning, in the order of paths."""
    for path in record_files(folder):
        yield read_tuning(path)


def record_files(*paths: Path) -> list[Path]:
    """Return the files that ``each_record_file`` yields."""
    return list(each_record_file(*paths))


def each_record_file(*paths: Path) -> Iterator[Path]:
    """Yield the given files, and for each folder every ``*.json`` in it and below, in the order of paths.

    Built sites are skipped, because their tables for download are JSON too. A folder that does not exist has no files;
    a file that does not exist is yielded, so that the reader reports it.
    """
    for path in paths:
        yield from map(Path, record_file_names(path))


def record_file_names(path: Path) -> Iterator[str]:
    """Yield the paths of ``each_record_file`` as text; making ten thousand paths takes longer than finding files."""
    if path.is_file() or (path.suffix == ".json" and not path.is_dir()):
        yield str(path)
    else:
        yield from _json_files(str(path))


def _json_files(folder: str) -> Iterator[str]:
    # Sorted per folder, and by name: a fifth of the time of comparing the paths of ten thousand files.
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:  # no such folder, or one that is not ours to read
        return
    if any(entry.name == SITE_MARKER for entry in entries):
        return
    for entry in entries:
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _json_files(entry.path)
        elif entry.name.endswith(".json"):
            yield entry.path


def is_study(path: Path, folder: Path) -> bool:
    """Return True if a file found under a folder is a study's record according to its path."""
    above = {folder.resolve().name, *path.relative_to(folder).parent.parts}
    return not above.isdisjoint(FOLDERS_OF_STUDIES)


def is_timing(path: Path, folder: Path) -> bool:
    """Return True if a file found under a folder is a timing according to its path."""
    return TIMINGS in {folder.resolve().name, *path.relative_to(folder).parent.parts}
