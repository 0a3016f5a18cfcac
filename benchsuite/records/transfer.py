"""Copy records between folders: export from a store, import into one. Nothing is lost or overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchsuite.files import create_text_atomically, write_text_atomically
from benchsuite.records.checks import identity_of, inconsistencies
from benchsuite.records.experiment import ExperimentRecord
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import BrokenRecord, read_document, record_text
from benchsuite.records.store import EXPERIMENTS, RecordStore

Record = RunRecord | ExperimentRecord


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
    place: Callable[[Record], Path],
    *,
    replace: bool = False,
    change: Callable[[Record], Record] | None = None,
) -> Transfer:
    """Copy each record to its place; each file is written atomically.

    Args:
        sources: files of records of runs or experiments.
        place: returns the path of a record's copy.
        replace: overwrite an existing, different record instead of reporting a conflict.
        change: returns what is written of a record; None to write it as it is.

    Raises:
        StoreError: if a folder cannot be written.

    """
    done = Transfer()
    for source in sources:
        record = read_document(source)
        if isinstance(record, BrokenRecord):
            done.refused.append(record)
            continue
        if problems := inconsistencies(record, source):
            done.refused.append(BrokenRecord(source, "; ".join(problems)))
            continue
        path = place(record)
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

    def place(record: Record) -> Path:
        folder = store.records_folder if isinstance(record, RunRecord) else store.experiments_folder
        return folder / f"{identity_of(record)}.json"

    return place


def place_by_track(folder: Path) -> Callable[[Record], Path]:
    """Return the function that gives a record's path in a review folder: runs by track, experiments apart."""

    def place(record: Record) -> Path:
        # Experiments are recognized by their folder, so no folder of runs may have its name.
        track = record.spec.track if isinstance(record, RunRecord) else ""
        inner = f"{track}.runs" if track == EXPERIMENTS else track or EXPERIMENTS
        return folder / inner / f"{identity_of(record)}.json"

    return place
