"""Titles of tracks, colours and sources of rules: given to the mirror by callers that know specs and plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from benchsuite.specs.models.track import RuleSpec


@dataclass(frozen=True)
class TrackLabel:
    """A track in words, as its spec has it."""

    title: str
    description: str
    source: str


@dataclass(frozen=True)
class RuleLabel:
    """A rule or a variant in MLflow's pages."""

    color: str
    """``#rrggbb``, the same as on the board."""
    source: str
    """Publication of the rule."""


class Labels(Protocol):
    """Look-up of labels by name; None for what is not known."""

    def track(self, name: str) -> TrackLabel | None:
        """Return the label of a track."""

    def rule(self, rule: RuleSpec) -> RuleLabel | None:
        """Return the label of a rule or a variant."""


@dataclass(frozen=True)
class KnownLabels:
    """Labels as plain data, which can be sent to another process."""

    tracks: Mapping[str, TrackLabel] = field(default_factory=dict)
    rules: Mapping[str, RuleLabel] = field(default_factory=dict)
    """By the name that is shown: a variant's own."""

    def track(self, name: str) -> TrackLabel | None:
        """Return the label of a track."""
        return self.tracks.get(name)

    def rule(self, rule: RuleSpec) -> RuleLabel | None:
        """Return the label of a rule or a variant."""
        return self.rules.get(rule.shown_as)


NO_LABELS = KnownLabels()
