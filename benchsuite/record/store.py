"""Records on disk: one JSON file a run, written atomically, read as untrusted data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from benchsuite.errors import StoreError
from benchsuite.record.atomic import write_text_atomically
from benchsuite.record.model import RunRecord

# The longest runs planned (ImageNet, 90 epochs, 50 segments, several diagnostics) stay under a tenth of this.
MAX_RECORD_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class BrokenRecord:
    """A file that should hold a record and does not."""

    path: Path
    reason: str


def read_record(path: Path) -> RunRecord | BrokenRecord:
    """Read one record; a file that is too large, not JSON or not a record is described instead of raised."""
    try:
        size = path.stat().st_size
        if size > MAX_RECORD_BYTES:
            return BrokenRecord(path, f"{size} bytes; records have at most {MAX_RECORD_BYTES}")
        return RunRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        return BrokenRecord(path, error.strerror or str(error))
    except (ValidationError, ValueError, RecursionError) as error:
        return BrokenRecord(path, _first_problem(error))


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(p) for p in first["loc"]) or "document"
        return f"{place}: {first['msg']} ({error.error_count()} problems in all)"
    return str(error)[:200]


class RecordStore:
    """A folder with ``records/``, ``checkpoints/`` and ``running/`` under it, shared by any number of processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records_folder = root / "records"
        self.checkpoints_folder = root / "checkpoints"
        self.running_folder = root / "running"

    def prepare(self) -> None:
        """Create the folders and check that they can be written.

        Raises:
            StoreError: if they cannot, before anything has been run.

        """
        write_text_atomically(self.root / ".benchsuite-store", json.dumps({"layout": 1}) + "\n")
        for folder in (self.records_folder, self.checkpoints_folder, self.running_folder):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"cannot create {folder}: {error.strerror or error}") from error

    def path_of(self, run_id: str) -> Path:
        """Return where the record of this run is or would be."""
        return self.records_folder / f"{run_id}.json"

    def write(self, record: RunRecord) -> Path:
        """Write a record in place of an older one of the same run and return its path."""
        path = self.path_of(record.run_id)
        write_text_atomically(path, record.model_dump_json(indent=1) + "\n")
        return path

    def find(self, run_id: str) -> RunRecord | None:
        """Return the record of this run, or None if there is none that can be read."""
        path = self.path_of(run_id)
        found = read_record(path) if path.exists() else None
        return found if isinstance(found, RunRecord) else None

    def read_all(self) -> Iterator[RunRecord | BrokenRecord]:
        """Yield every record in the order of file names, broken ones as ``BrokenRecord``."""
        yield from read_folder(self.records_folder)


def read_folder(folder: Path) -> Iterator[RunRecord | BrokenRecord]:
    """Yield every ``*.json`` of a folder and of its subfolders as a record, in the order of their paths."""
    for path in sorted(folder.rglob("*.json")):
        yield read_record(path)
