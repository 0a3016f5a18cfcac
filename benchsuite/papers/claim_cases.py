"""Expand claims into runs: for each comparison, track, segment and tier of a claim, the runs that would decide it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from benchsuite.papers.stand_ins import find_stand_ins
from benchsuite.specs.loading.floors import floor_bound, published_final_errors
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.read_all import Warn, left_out_if_wrong, load_all
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.specs.loading.resolve_row import RuleDirectory
from benchsuite.specs.loading.rows import has_variant
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.claim import COST, ClaimSpec, Comparison, Floor, Quantity
from benchsuite.specs.models.track import RunSpec
from benchsuite.specs.models.variant import slug_of


@dataclass(frozen=True, eq=False)
class Arm:
    """One rule under the conditions of a claim; each is created only once, so that it can be a dictionary key."""

    track: str
    rule: str
    """Name of the rule or the variant."""
    spec: RunSpec | None
    """Its seed index and hardware do not matter; None if nothing can be compared, see ``missing``."""
    missing: str = ""
    """The reason, if there is no spec."""
    settings: tuple[str, ...] = ()
    """Overrides of the track's settings of the rule, as ``--set`` takes them."""
    is_installed: bool = True
    """False if the rule is not installed, so that no command of this installation can run it."""


@dataclass(frozen=True)
class ArmPair:
    """One side of a comparison: a rule, and the rule that is subtracted from it if the side is a gap."""

    main: Arm
    minus: Arm | None
    segment: str | None


@dataclass(frozen=True)
class FloorArm:
    """The reference rule of a floor on one track at one tier."""

    floor: Floor
    arm: Arm
    at_most: float
    """Largest mean error, a fraction: the floor's own, or its distance above the published one."""


@dataclass(frozen=True)
class Case:
    """One comparison on one track, in one segment, at one tier."""

    comparison: Comparison
    tier: Tier
    left: ArmPair | None
    """None if the comparison has a setting instead of tracks."""
    right: ArmPair | None
    floors: tuple[FloorArm, ...] = ()
    """References that must have been trained well enough for a verdict."""

    @property
    def compared(self) -> tuple[Arm, ...]:
        """The rules that are compared, each once."""
        pairs = [pair for pair in (self.left, self.right) if pair]
        return tuple(dict.fromkeys(arm for pair in pairs for arm in (pair.main, pair.minus) if arm))

    @property
    def arms(self) -> tuple[Arm, ...]:
        """All rules whose runs are needed: those compared, and the floors' references."""
        return tuple(dict.fromkeys([*self.compared, *(floor.arm for floor in self.floors)]))


@dataclass(frozen=True)
class ClaimCases:
    """A claim and all its cases."""

    claim: ClaimSpec
    cases: tuple[Case, ...]
    """By tier in the claim's order, then in the order of the comparisons."""
    on_copy: tuple[Case, ...] = ()
    """The same with tracks replaced by their stand-ins on lossy copies of the data; empty without records of any."""
    stand_ins: Mapping[str, str] = field(default_factory=dict)
    """The stand-ins of the claim's tracks that have records."""

    @property
    def all_cases(self) -> tuple[Case, ...]:
        """The cases on the data proper and those on copies."""
        return (*self.cases, *self.on_copy)


def load_claims(library: SpecLibrary, warn: Warn | None = None) -> list[ClaimSpec]:
    """Return all claims of a library, by name.

    Args:
        library: the library to look them up in.
        warn: called for each invalid file, which is left out; None to raise at the first.

    Raises:
        SpecError: without ``warn``, with all problems of the first file that has any.

    """
    return load_all(library, "claims", ClaimSpec, warn)


def expand_claims(
    library: SpecLibrary, directory: RuleDirectory, wanted: Callable[[str, Tier], bool], warn: Warn | None = None
) -> list[ClaimCases]:
    """Return every claim with the runs that would decide it.

    Args:
        library: the library of tracks and claims.
        directory: the available rules; a claim about any other rule cannot be decided.
        wanted: returns True if a track and tier have any records; resolving a track takes milliseconds.
        warn: called for each claim that is wrong, or whose track is; it alone is left out. None to raise.

    Raises:
        SpecError: without ``warn``, if a claim or a track is wrong.

    """
    layout = _ClaimExpansion(library, directory, wanted)
    stand_ins = find_stand_ins(library, wanted, warn)
    expanded = []
    for claim in load_claims(library, warn):
        with left_out_if_wrong("claims", claim.name, warn):
            copies = {track: copy for track, copy in stand_ins.items() if track in claim.tracks}
            on_copy = tuple(layout.cases(claim, copies)) if copies else ()
            expanded.append(ClaimCases(claim, tuple(layout.cases(claim, {})), on_copy, copies))
    return expanded


class _ClaimExpansion:
    """Resolves each rule on a track only once, however many claims are about it."""

    def __init__(self, library: SpecLibrary, directory: RuleDirectory, wanted: Callable[[str, Tier], bool]) -> None:
        self.library = library
        self.directory = directory
        self.wanted = wanted
        self._arms: dict[tuple[str, Tier, str, str], Arm] = {}

    @cached_property
    def _published(self) -> Mapping[tuple[str, str, str], float]:
        return published_final_errors(self.library)

    def cases(self, claim: ClaimSpec, copies: Mapping[str, str]) -> Iterator[Case]:
        for tier in claim.tiers:
            for comparison in claim.comparisons:
                if comparison.setting:
                    yield Case(comparison, tier, None, None)
                    continue
                for track in comparison.tracks or (None,):
                    floors = tuple(self._floors(claim, comparison, track, tier, copies))
                    for segment in comparison.segments or (None,):
                        left, *rest = (self._pair(side, track, segment, tier, copies) for side in comparison.sides)
                        yield Case(comparison, tier, left, rest[0] if rest else None, floors)

    def _floors(
        self, claim: ClaimSpec, comparison: Comparison, track: str | None, tier: Tier, copies: Mapping[str, str]
    ) -> Iterator[FloorArm]:
        # Before training, and for the time of a step, it does not matter how well a network was trained.
        if comparison.epoch == 0 or comparison.metric == COST:
            return
        tracks = {side.track or track for side in comparison.sides}
        for floor in claim.floors:
            for name in sorted(track for track in tracks if track and track in (floor.tracks or tracks)):
                arm = self._arm(copies.get(name, name), tier, floor.rule, {})
                yield FloorArm(floor, arm, floor_bound(floor, name, self._published))

    def _pair(
        self, side: Quantity, track: str | None, segment: str | None, tier: Tier, copies: Mapping[str, str]
    ) -> ArmPair:
        original = side.track or track or ""
        where = copies.get(original, original)
        minus = self._arm(where, tier, side.minus, {}) if side.minus else None
        return ArmPair(self._arm(where, tier, side.rule, side.config), minus, side.segment or segment)

    def _arm(self, track: str, tier: Tier, rule: str, config: dict[str, object]) -> Arm:
        key = (track, tier, rule, json.dumps(config, sort_keys=True, default=str) if config else "")
        if key not in self._arms:
            self._arms[key] = self._resolved(track, tier, rule, config)
        return self._arms[key]

    def _resolved(self, track: str, tier: Tier, rule: str, config: dict[str, object]) -> Arm:
        is_rule = rule in self.directory.rules
        key = rule if is_rule else slug_of(rule)
        overrides = tuple(f"rules.{key}.config.{name}={json.dumps(value)}" for name, value in config.items())
        if not is_rule and not has_variant(track, rule, self.library, [tier]):
            return Arm(track, rule, None, f"the rule {rule} is not installed", overrides, is_installed=False)
        if not self.wanted(track, tier):
            return Arm(track, rule, None, f"no records of {track}", overrides)
        chosen = Selection(track, rules=(rule,), tier=tier, seeds=(0,), overrides=overrides, hardware="cpu")
        return Arm(track, rule, resolve(chosen, self.library, self.directory)[0].spec, settings=overrides)
