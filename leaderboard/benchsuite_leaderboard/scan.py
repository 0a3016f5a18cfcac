"""Which files there are, and which track each belongs to, without reading again what has not changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json

from benchsuite.records.model import RunRecord
from benchsuite.records.reading import MAX_RECORD_BYTES, BrokenRecord, read_record
from benchsuite.records.store import is_experiments, record_files
from benchsuite.specs.models.base import TIERS, Tier
from benchsuite_leaderboard.pages import PAGE_NAME

FileState = tuple[int, int]
"""Size in bytes and time of the last change in ns; equal as long as nobody wrote to the file."""


@dataclass(frozen=True)
class Seen:
    """One file as an earlier build saw it."""

    size: int
    changed_ns: int
    track: str
    """Empty if it holds no usable record."""
    tier: Tier | None


@dataclass(frozen=True)
class Scan:
    """Every file of records, by track."""

    tracks: Mapping[str, tuple[Path, ...]]
    states: Mapping[Path, Seen]
    broken: tuple[BrokenRecord, ...]
    """Files of which not even the track could be told."""
    experiments: tuple[Path, ...]

    @property
    def cells(self) -> set[tuple[str, Tier]]:
        """Return every track with its tiers."""
        return {(seen.track, seen.tier) for seen in self.states.values() if seen.tier is not None}


def scan(folders: Iterable[Path], known: Mapping[str, Seen]) -> Scan:
    """Look at every file of some folders.

    Args:
        folders: of records.
        known: what an earlier build saw, by ``path_key``.

    """
    found: dict[Path, Seen] = {}
    broken: list[BrokenRecord] = []
    experiments: list[Path] = []
    for folder in folders:
        for path in record_files(folder):
            if is_experiments(path, folder):
                experiments.append(path)
                continue
            try:
                stat = path.stat()
            except OSError as error:
                broken.append(BrokenRecord(path, error.strerror or str(error)))
                continue
            earlier = known.get(path_key(path))
            state = (stat.st_size, stat.st_mtime_ns)
            if earlier and earlier.track and (earlier.size, earlier.changed_ns) == state:
                found[path] = earlier
            else:
                cell = _cell(path)
                if isinstance(cell, BrokenRecord):
                    broken.append(cell)
                else:
                    found[path] = Seen(*state, *cell)
    tracks: dict[str, list[Path]] = {}
    for path, seen in sorted(found.items()):
        tracks.setdefault(seen.track, []).append(path)
    return Scan({t: tuple(paths) for t, paths in sorted(tracks.items())}, found, tuple(broken), tuple(experiments))


def path_key(path: Path) -> str:
    """Return what stands for a path in a site, which must not tell where somebody keeps their records."""
    return hashlib.sha256(str(path.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _cell(path: Path) -> tuple[str, Tier] | BrokenRecord:
    """Return a record's track and tier, looked up in its JSON; it is checked in full when its track is built."""
    try:
        if path.is_file() and path.stat().st_size <= MAX_RECORD_BYTES:
            spec = from_json(path.read_bytes())["spec"]
            for tier in TIERS:
                if PAGE_NAME.fullmatch(spec["track"]) and spec["tier"] == tier:
                    return spec["track"], tier
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # read in full, which says what is wrong with it, or knows an older layout
    record = read_record(path)
    return (record.spec.track, record.spec.tier) if isinstance(record, RunRecord) else record
