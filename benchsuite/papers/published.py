"""Published test errors, each with the run that would reproduce it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.read_all import Warn, left_out_if_wrong, load_all
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.specs.loading.resolve_row import RuleDirectory
from benchsuite.specs.loading.rows import has_variant
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


def load_references(library: SpecLibrary, warn: Warn | None = None) -> list[ReferenceSpec]:
    """Return all published values of a library.

    Args:
        library: the library to look them up in.
        warn: called for each invalid file, which is left out; None to raise at the first.

    Raises:
        SpecError: without ``warn``, with all problems of the first file that has any.

    """
    return load_all(library, "reference", ReferenceSpec, warn)


def published_errors(
    library: SpecLibrary, directory: RuleDirectory, wanted: Callable[[str, Tier], bool], warn: Warn | None = None
) -> Iterator[PublishedError]:
    """Yield the published final test errors of tracks, each with the run that has the same conditions.

    Args:
        library: the library of tracks and reference specs.
        directory: the available rules; values of any other rule, and of variants of no spec, are skipped.
        wanted: returns True if a track and tier are to be compared; resolving a track takes milliseconds.
        warn: called for what is wrong, which alone is left out: a file, or a value of a track; None to raise.

    Raises:
        SpecError: without ``warn``, if a reference spec or a track is wrong.

    """
    for reference in load_references(library, warn):
        for entry in reference.entries:
            is_final = entry.metric == "test_error_percent" and entry.epoch == "last"
            if not is_final or entry.track is None or not wanted(entry.track, reference.tier):
                continue
            if entry.rule not in directory.rules and not has_variant(
                entry.track, entry.rule, library, [reference.tier]
            ):
                continue
            chosen = Selection(entry.track, rules=(entry.rule,), tier=reference.tier, seeds=(0,), hardware="cpu")
            with left_out_if_wrong("reference", f"{reference.name}: {entry.rule} on {entry.track}", warn):
                spec = resolve(chosen, library, directory)[0].spec
                yield PublishedError(spec, entry, reference)
