"""Published test errors, each with the run that would reproduce it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.read_all import load_all
from benchsuite.specs.loading.resolve import RuleDirectory, Selection, resolve
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.reference import PublishedValue, ReferenceSpec
from benchsuite.specs.models.track import RunSpec


@dataclass(frozen=True)
class PublishedError:
    """A published test error and the run that would reproduce it."""

    spec: RunSpec
    """With seed index 0 on the CPU, as placeholders: a published value has no seed or machine of ours."""
    value: PublishedValue
    reference: ReferenceSpec


def load_references(library: SpecLibrary) -> list[ReferenceSpec]:
    """Return all published values of a library.

    Raises:
        SpecError: with all problems of the first file that has any.

    """
    return load_all(library, "reference", ReferenceSpec)


def published_errors(
    library: SpecLibrary, directory: RuleDirectory, wanted: Callable[[str, Tier], bool]
) -> Iterator[PublishedError]:
    """Yield the published final test errors of tracks, each with the run that has the same conditions.

    Args:
        library: the library of tracks and reference specs.
        directory: the available rules; values of any other rule are skipped.
        wanted: returns True if a track and tier are to be compared; resolving a track takes milliseconds.

    Raises:
        SpecError: if a reference spec or a track is wrong.

    """
    for reference in load_references(library):
        for entry in reference.entries:
            is_final = entry.metric == "test_error_percent" and entry.epoch == "last"
            if not is_final or entry.track is None or entry.rule not in directory.rules:
                continue
            if wanted(entry.track, reference.tier):
                chosen = Selection(entry.track, rules=(entry.rule,), tier=reference.tier, seeds=(0,), hardware="cpu")
                yield PublishedError(resolve(chosen, library, directory)[0].spec, entry, reference)
