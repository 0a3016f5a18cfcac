"""Find the files of records and the track of each; unchanged files are not read again."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic_core import from_json

from benchsuite.records.model import RunRecord
from benchsuite.records.reading import MAX_RECORD_BYTES, BrokenRecord, read_record
from benchsuite.records.store import TUNINGS, is_study, is_timing, record_file_names
from benchsuite.specs.models.base import TIERS, Tier
from benchsuite_leaderboard.pages.frame import PAGE_NAME

_Kind = Literal["run", "study", "other"]

FEW_RECORDS = 300
"""Up to this many records are read here, in full and once: another process takes a second to start."""


HEAD = re.compile(
    rb'\{\n "schema_version": \d+,\n'
    rb'(?: "(?:run_id|spec_hash|result_key|status|reason|traceback)": (?:null|"(?:[^"\\\n]|\\.)*+"),\n)*+'
    rb' "spec": \{\n  "track": "(?P<track>[a-z0-9_.-]+)",\n  "tier": "(?P<tier>[a-z]+)",\n'
)
"""Start of a record as the suite writes it, up to its track and tier; what follows cannot change them, since a key that
comes twice makes a record unusable."""

HEAD_BYTES = 4096


@dataclass(frozen=True)
class Seen:
    """One file as an earlier build saw it."""

    size: int
    changed_ns: int
    """Time of the last change; while nobody writes to the file, it and the size stay equal."""
    track: str
    """Name of the track; empty if the file holds no usable record."""
    tier: Tier | None


class RecordFile(NamedTuple):
    """A file that holds a record of a run, or what is left of one."""

    path: str
    key: str
    """``path_key`` of the path."""
    seen: Seen


@dataclass(frozen=True)
class Scan:
    """Every file of records, by track."""

    tracks: Mapping[str, tuple[RecordFile, ...]]
    read: Mapping[str, RunRecord | BrokenRecord]
    """Content of files that were already read, by path."""
    broken: tuple[BrokenRecord, ...]
    """Files whose track could not be determined."""
    studies: tuple[Path, ...]


def scan(folders: Iterable[Path], known: Mapping[str, Seen], on_many: Callable[[], None]) -> Scan:
    """Scan every file of some folders.

    Args:
        folders: folders of records.
        known: files that an earlier build saw, by ``path_key``.
        on_many: called before more than ``FEW_RECORDS`` files are looked at.

    """
    # Paths as text wherever that does: with ten thousand files, pathlib alone takes a tenth of a second.
    found: dict[str, RecordFile] = {}
    unknown: dict[str, tuple[str, int, int]] = {}
    broken: list[BrokenRecord] = []
    studies: list[Path] = []
    for folder in folders:
        kinds: dict[str, _Kind] = {}  # by folder of files: looking at each file's path takes ten times as long
        for path in record_file_names(folder):
            parent = os.path.dirname(path)  # noqa: PTH120  # as above
            if parent not in kinds:
                kinds[parent] = _kind(Path(path), folder)
            if kinds[parent] == "study":
                studies.append(Path(path))
            if kinds[parent] != "run":
                continue
            try:
                status = os.stat(path)  # noqa: PTH116  # as above
            except OSError as error:
                broken.append(BrokenRecord(Path(path), error.strerror or str(error)))
                continue
            key = path_key(path)
            earlier = known.get(key)
            if earlier and earlier.track and (earlier.size, earlier.changed_ns) == (status.st_size, status.st_mtime_ns):
                found[key] = RecordFile(path, key, earlier)
            else:
                unknown[key] = path, status.st_size, status.st_mtime_ns
    if len(unknown) > FEW_RECORDS:
        on_many()
    read: dict[str, RunRecord | BrokenRecord] = {}
    for key, (path, size, changed_ns) in unknown.items():
        record, cell = (_read if len(unknown) <= FEW_RECORDS else _look)(Path(path))
        if cell:
            found[key] = RecordFile(path, key, Seen(size, changed_ns, *cell))
            read |= {path: record} if record else {}
        elif isinstance(record, BrokenRecord):
            broken.append(record)
    tracks: dict[str, list[RecordFile]] = {}
    for file in sorted(found.values()):
        tracks.setdefault(file.seen.track, []).append(file)
    by_track = {track: tuple(files) for track, files in sorted(tracks.items())}
    return Scan(by_track, read, tuple(broken), tuple(studies))


def _kind(path: Path, folder: Path) -> _Kind:
    """Return the kind of the records that lie beside a file found under a folder."""
    if is_timing(path, folder) or TUNINGS in path.relative_to(folder).parent.parts:
        return "other"
    return "study" if is_study(path, folder) else "run"


def path_key(path: str) -> str:
    """Return a key that stands for a path in a site; a site must not reveal where somebody keeps their records."""
    absolute = path if os.path.isabs(path) else os.path.abspath(path)  # noqa: PTH100, PTH117  # at every file
    return hashlib.sha256(absolute.encode("utf-8", "surrogateescape")).hexdigest()[:24]


_Cell = tuple[str, Tier]
"""Track and tier."""


def _read(path: Path) -> tuple[RunRecord | BrokenRecord, _Cell | None]:
    """Return a file's record with its track and tier; also of a broken record if they can be read."""
    record = read_record(path)
    if isinstance(record, RunRecord):
        return record, (record.spec.track, record.spec.tier)
    return record, _cell(path)


def _look(path: Path) -> tuple[RunRecord | BrokenRecord | None, _Cell | None]:
    """Return a file's track and tier; a ninth of the cost of a full read, which follows when its track is made."""
    cell = _cell(path)
    # Else read the file in full, which reports what is wrong or accepts an older layout.
    return (None, cell) if cell else _read(path)


def _cell(path: Path) -> _Cell | None:
    try:
        state = path.stat()
        if stat.S_ISREG(state.st_mode) and state.st_size <= MAX_RECORD_BYTES:
            with path.open("rb") as stream:
                data = stream.read(HEAD_BYTES)
                head = HEAD.match(data)
                if head:
                    spec = {"track": head["track"].decode(), "tier": head["tier"].decode()}
                else:
                    spec = from_json(data + stream.read())["spec"]
            for tier in TIERS:
                if PAGE_NAME.fullmatch(spec["track"]) and spec["tier"] == tier:
                    return spec["track"], tier
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    return None
