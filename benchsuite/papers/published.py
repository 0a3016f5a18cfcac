"""Published values, each with the run that would reproduce it."""

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
class PublishedNumber:
    """A published value and the run that would reproduce it."""

    spec: RunSpec | None
    """With seed index 0 on the CPU, as placeholders: a published value has no seed or machine of ours. None if no track
    has the conditions, the track has no records, or the rule is not installed."""
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


def published_numbers(
    library: SpecLibrary, directory: RuleDirectory, wanted: Callable[[str, Tier], bool], warn: Warn | None = None
) -> Iterator[PublishedNumber]:
    """Yield every published value, with the run that has the same conditions if there are records to compare.

    Args:
        library: the library of tracks and reference specs.
        directory: the available rules.
        wanted: returns True if a track and tier are to be compared; resolving a track takes milliseconds.
        warn: called for what is wrong, which alone is left out: a file, or a value of a track; None to raise.

    Raises:
        SpecError: without ``warn``, if a reference spec or a track is wrong.

    """
    specs: dict[tuple[str, str, Tier], RunSpec] = {}
    for reference in load_references(library, warn):
        for entry in reference.entries:
            track, tier = entry.track, reference.tier
            if track is None or not wanted(track, tier) or not _is_known(entry.rule, track, tier, library, directory):
                yield PublishedNumber(None, entry, reference)
                continue
            key = (track, entry.rule, tier)
            with left_out_if_wrong("reference", f"{reference.name}: {entry.rule} on {track}", warn):
                if key not in specs:
                    chosen = Selection(track, rules=(entry.rule,), tier=tier, seeds=(0,), hardware="cpu")
                    specs[key] = resolve(chosen, library, directory)[0].spec
                yield PublishedNumber(specs[key], entry, reference)


def _is_known(rule: str, track: str, tier: Tier, library: SpecLibrary, directory: RuleDirectory) -> bool:
    return rule in directory.rules or has_variant(track, rule, library, [tier])
