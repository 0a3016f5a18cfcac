"""Fields of a track that an inherited tier overrides: ``extends`` with ``epochs: 10`` may still run 100 at paper.

A tier's changes are laid over the track's own fields, wherever either comes from. That is what an inherited smoke tier
is for, and a surprise where a track sets a field for all tiers. So it is said, until the track's own tier says it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchsuite.errors import Problem
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.target_rows import TargetRows
from benchsuite.specs.loading.tree import Node, dig, read
from benchsuite.specs.loading.variant_lists import with_variants_by_name
from benchsuite.specs.models.base import DOCUMENTATION_FIELDS, TIERS
from benchsuite.specs.models.track import TierChanges

PARTS = tuple(TierChanges.model_fields)
"""Fields of a track that a tier may change."""
_NAMED_PARTS = (("dataset",), ("architecture",))


def inherited_tier_warnings(path: Path, library: SpecLibrary, tiers: Iterable[str] = TIERS) -> list[Problem]:
    """Return a warning for each field of a track's file that a tier which it inherits overrides with another value.

    Files that the track extends have warnings of their own, which are not repeated.

    Args:
        path: file of a track that is valid.
        library: the library that it extends tracks of.
        tiers: the tiers of interest.

    """
    node = read(path)
    base = node.get("extends")
    if base is None:
        return []
    own = with_variants_by_name(node)
    inherited = library.load("tracks", str(base.value), base.mark, "extends")
    return [
        problem
        for tier in tiers
        for part in PARTS
        for problem in _overridden(
            own.get(part), dig(inherited, "tiers", tier, part), dig(own, "tiers", tier, part), (tier, part)
        )
    ]


def warnings_of_rows(chosen: TargetRows) -> list[Problem]:
    """Return the warnings of all tracks of a selection, at its tier."""
    files = [Path(track.mark.file) for track in chosen.tracks.values() if track.mark.file]
    found = (each for file in files for each in inherited_tier_warnings(file, chosen.library, [chosen.tier]))
    return list(dict.fromkeys(found))


def _overridden(
    own: Node | None, inherited: Node | None, said: Node | None, path: tuple[str, ...]
) -> Iterator[Problem]:
    """Yield a warning for each value below ``own`` that ``inherited`` replaces and ``said`` does not.

    Args:
        own: what the track itself says.
        inherited: what the tier changes, as the track inherits it.
        said: what the track itself says for that tier.
        path: tier, part and field of the three.

    """
    if own is None or inherited is None:
        return
    if own.is_mapping and inherited.is_mapping:
        for key in own.value:
            if key not in DOCUMENTATION_FIELDS:
                yield from _overridden(own.get(key), inherited.get(key), said.get(key) if said else None, (*path, key))
    elif inherited.is_mapping and isinstance(own.value, str) and path[1:] in _NAMED_PARTS:
        return  # a tier lays its limits over whatever data set is named
    elif said is None and own.plain() != inherited.plain():
        tier, *fields = path
        field = ".".join(fields)
        place = inherited.mark.problem("").place
        yield own.mark.problem(
            f"{_shown(own)} here, but {_shown(inherited)} at the {tier} tier, which is inherited ({place}); "
            f"to choose, say tiers.{tier}.{field} in this file too",
            field,
        )


def _shown(node: Node) -> str:
    plain = node.plain()
    return str(plain) if not isinstance(plain, dict) else "{" + ", ".join(f"{k}: {v}" for k, v in plain.items()) + "}"
