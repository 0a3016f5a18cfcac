"""Cache from one build to the next: JSON files inside the site. If damaged or missing, the build only takes longer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from benchsuite_leaderboard.scan import RecordFile, Seen
from benchsuite_leaderboard.track_result import RESULT, TrackResult

MEMORY = ".benchsuite-memory"
"""Folder within a site."""

FILES = f"{MEMORY}/files.json"
"""Path of the file that lists the record files a build saw."""

_SEEN: TypeAdapter[dict[str, Seen]] = TypeAdapter(dict[str, Seen])


def remembered_files(out: Path) -> dict[str, Seen]:
    """Return the files that an earlier build saw, by ``path_key``."""
    try:
        return _SEEN.validate_json((out / FILES).read_bytes())
    except (OSError, ValidationError):
        return {}


def files_to_remember(tracks: Mapping[str, Iterable[RecordFile]]) -> bytes:
    """Return the JSON that the next build's ``remembered_files`` reads; it holds no path of this machine.

    Args:
        tracks: files of records, by track.

    """
    return _SEEN.dump_json({file.key: file.seen for files in tracks.values() for file in files})


def track_memory(track: str) -> str:
    """Return the path, within the site, of a track's cached result."""
    return f"{MEMORY}/tracks/{track}.json"


def remembered_track(out: Path, track: str) -> TrackResult | None:
    """Return a track's result from an earlier build."""
    try:
        return RESULT.validate_json((out / track_memory(track)).read_bytes())
    except (OSError, ValidationError):
        return None
