"""Work out the errors that the floors of claims ask for, from the published values of the same library."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.models.claim import Floor

FRACTION_PER_PERCENT = 0.01

FinalErrors = Mapping[tuple[str, str, str], float]
"""Published final errors as fractions, by track, rule and metric."""


@lru_cache(maxsize=1)  # asked for by every claim of a library, one after the other
def published_final_errors(library: SpecLibrary) -> FinalErrors:
    """Return the published errors after training; of two sources, the first.

    A file that cannot be read is left out: it has a message of its own where published values are read.
    """
    found: dict[tuple[str, str, str], float] = {}
    for name in library.names("reference"):
        try:
            entries = library.load("reference", name).plain().get("entries")
        except SpecError:
            continue
        for entry in entries if isinstance(entries, list) else ():
            if not isinstance(entry, dict) or entry.get("epoch", "last") != "last":
                continue
            track, rule, metric, value = (entry.get(field) for field in ("track", "rule", "metric", "value"))
            if isinstance(value, int | float) and str(metric).endswith("_error_percent"):
                key = (str(track), str(rule), str(metric).removesuffix("_percent"))
                found.setdefault(key, FRACTION_PER_PERCENT * value)
    return found


def floor_bound(floor: Floor, track: str, published: FinalErrors) -> float:
    """Return the largest error that a floor lets its reference have on a track.

    Raises:
        SpecError: if the floor is a distance and no error is published.

    """
    if floor.at_most is not None:
        return floor.at_most
    error = published.get((track, floor.rule, floor.metric))
    if error is None or floor.within is None:
        words = floor.metric.replace("_", " ")
        message = f"within: no {words} of {floor.rule} on {track} is published in specs/reference; give at_most instead"
        raise SpecError([Problem(message, field="floors")])
    return error + floor.within
