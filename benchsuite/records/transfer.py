"""Records from one folder to another: export out of a store, import into one. Nothing is lost or overwritten."""

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
    """What became of the records of one export or import."""

    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    """There already, the same."""
    conflicts: list[Path] = field(default_factory=list)
    """Files that hold something else; left as they are."""
    refused: list[BrokenRecord] = field(default_factory=list)
    """Sources that are no record, or one that contradicts itself."""

    @property
    def complete(self) -> bool:
        """Return whether every source is now at its place."""
        return not self.conflicts and not self.refused


def transfer(sources: Iterable[Path], place: Callable[[Record], Path], *, replace: bool = False) -> Transfer:
    """Copy records, each to where it belongs; each file is written whole or not at all.

    Args:
        sources: files of records of either kind.
        place: where a record goes.
        replace: put a different record in the place of one that is there, instead of reporting a conflict.

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
    """Return where a store keeps each record."""

    def place(record: Record) -> Path:
        folder = store.records_folder if isinstance(record, RunRecord) else store.experiments_folder
        return folder / f"{identity_of(record)}.json"

    return place


def place_by_track(folder: Path) -> Callable[[Record], Path]:
    """Return where a folder for review has each record: runs by track, experiments in a folder of their own."""

    def place(record: Record) -> Path:
        # Experiments are told by their folder, so that no folder of runs may be called like it.
        track = record.spec.track if isinstance(record, RunRecord) else ""
        inner = f"{track}.runs" if track == EXPERIMENTS else track or EXPERIMENTS
        return folder / inner / f"{identity_of(record)}.json"

    return place
