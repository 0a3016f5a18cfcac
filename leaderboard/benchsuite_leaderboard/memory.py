"""What a build leaves for the next one, as JSON within the site itself; damaged or missing, it only costs time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from benchsuite_leaderboard.scan import Seen, path_key
from benchsuite_leaderboard.track_job import RESULT, TrackResult

MEMORY = ".benchsuite-memory"
"""Folder within a site."""

FILES = f"{MEMORY}/files.json"
"""Name of the file that says which files of records a build saw."""

_SEEN: TypeAdapter[dict[str, Seen]] = TypeAdapter(dict[str, Seen])


def remembered_files(out: Path) -> dict[str, Seen]:
    """Return what an earlier build saw, by ``path_key``."""
    try:
        return _SEEN.validate_json((out / FILES).read_bytes())
    except (OSError, ValidationError):
        return {}


def files_to_remember(states: Mapping[Path, Seen]) -> bytes:
    """Return what the next build's ``remembered_files`` reads; no path of this machine is in it."""
    return _SEEN.dump_json({path_key(path): seen for path, seen in states.items()})


def track_memory(track: str) -> str:
    """Return the path within the site of what is remembered of a track."""
    return f"{MEMORY}/tracks/{track}.json"


def remembered_track(out: Path, track: str) -> TrackResult | None:
    """Return what an earlier build found of a track."""
    try:
        return RESULT.validate_json((out / track_memory(track)).read_bytes())
    except (OSError, ValidationError):
        return None
