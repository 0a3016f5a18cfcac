"""Plan of the headline board: the tasks of a suite, and the network form in which each rule is compared on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchsuite.specs.models.base import Tier

FORMS = ("ordinary", "vectorized", "invertible")
"""Network forms in the order of preference: a rule that works in several is shown in the first."""


@dataclass(frozen=True)
class BoardTask:
    """One data set and network, in all of its forms."""

    name: str
    """Name of the track in ordinary form."""
    title: str
    tracks: Mapping[str, str]
    """The task's track by form."""
    forms: Mapping[str, str]
    """Form in which each rule is compared, by rule; a rule that is left out does not fit the network in any form."""
    tiers: frozenset[Tier]
    """Tiers that have this task."""

    def track_of(self, rule: str) -> str | None:
        """Return the track on which a rule is compared; None if it fits the network in no form."""
        form = self.forms.get(rule)
        return None if form is None else self.tracks[form]


@dataclass(frozen=True)
class BoardPlan:
    """The tasks and rules that the headline board has room for."""

    title: str
    tier: Tier
    """The suite's default tier."""
    seeds: int
    tasks: tuple[BoardTask, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """Return the rules of all tasks, in the suite's order."""
        return tuple(dict.fromkeys(rule for task in self.tasks for rule in task.forms))


@dataclass(frozen=True)
class RuleSetting:
    """One hyperparameter of a rule."""

    name: str
    default: str
    kind: str
    """Type, in words."""
    meaning: str
    searched: str = ""
    """Range that tuning searches; empty if it does not."""


@dataclass(frozen=True)
class TrackWords:
    """Description of a track, as its spec states it."""

    title: str = ""
    description: str = ""
    source: str = ""


@dataclass(frozen=True)
class RuleWords:
    """Description of a rule, as the rule itself states it."""

    short_name: str = ""
    """Abbreviation for narrow tables; empty if the rule states none."""
    summary: str = ""
    source: str = ""
    """Publication of the rule."""
    forms: frozenset[str] = field(default_factory=frozenset)
    """Network forms that it works with."""
    description: str = ""
    """The rule's own words after its summary, in paragraphs."""
    equation: str = ""
    """One line; empty if the rule states none."""
    traits: Mapping[str, object] = field(default_factory=dict)
    """Declared traits as plain data."""
    settings: tuple[RuleSetting, ...] = ()
    """Hyperparameters, in the order of the rule's ``Config``."""
