"""Find the tracks that repeat other tracks on a lossy copy of their data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.read_all import Warn, left_out_if_wrong
from benchsuite.specs.models.base import TIERS, Tier


def find_stand_ins(
    library: SpecLibrary, wanted: Callable[[str, Tier], bool], warn: Warn | None = None
) -> Mapping[str, str]:
    """Return, by the name of a track, the first track with records that stands in for it.

    Args:
        library: the library of tracks.
        wanted: returns True if a track and tier have any records; only those tracks are read.
        warn: called for each track that cannot be read, which is left out; None to raise.

    Raises:
        SpecError: without ``warn``, if a track cannot be read.

    """
    found: dict[str, str] = {}
    for name in library.names("tracks"):
        if any(wanted(name, tier) for tier in TIERS):
            with left_out_if_wrong("tracks", name, warn):
                original = library.load("tracks", name).get("stands_in_for")
                if original is not None and original.value is not None:
                    found.setdefault(str(original.value), name)
    return found
