"""Read one optional field of tracks, for those that state it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from pydantic import TypeAdapter

from benchsuite.errors import BenchsuiteError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.library import SpecLibrary

Stated = TypeVar("Stated")


def stated_by_tracks(
    tracks: Iterable[str], field: str, kind: TypeAdapter[Stated | None], library: SpecLibrary
) -> dict[str, Stated]:
    """Return a field of the tracks that state it, by track.

    Args:
        tracks: names of tracks; one without a spec is passed over, and so is a wrong one, which ``validate`` reports.
        field: name of the field.
        kind: of its content.
        library: the library to look the tracks up in.

    """
    found = {}
    for track in sorted(set(library.names("tracks")).intersection(tracks)):
        try:
            stated = library.load("tracks", track).get(field)
        except BenchsuiteError:
            continue
        value = None if stated is None else check(kind, stated)[0]
        if value is not None:
            found[track] = value
    return found
