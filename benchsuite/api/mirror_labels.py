"""Titles, colours and sources for MLflow's pages, from spec files and plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from benchsuite.errors import SpecError
from benchsuite.records.mlflow.labels import KnownLabels, RuleLabel, TrackLabel
from benchsuite.results.rule_style import rule_color
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.models.track import RuleSpec, RunSpec

if TYPE_CHECKING:
    from benchsuite.registry.catalogue import Catalogue
    from benchsuite.registry.manager import Registry


class SpecLabels:
    """Labels that are looked up when they are asked for, each track's file once.

    Args:
        library: spec files.
        source_of_rule: returns the publication of a rule by name; empty if the rule is not installed.

    """

    def __init__(self, library: SpecLibrary, source_of_rule: Callable[[str], str]) -> None:
        self._library = library
        self._source_of_rule = source_of_rule
        self.track = cache(self._track)

    def _track(self, name: str) -> TrackLabel | None:
        try:
            node = self._library.load("tracks", name)
        except SpecError:
            return None  # records outlive spec files, and a label is no reason to fail
        texts = {key: found.value for key in ("title", "description", "source") if (found := node.get(key))}
        known = {key: value for key, value in texts.items() if isinstance(value, str)}
        return TrackLabel(known.get("title", name), known.get("description", ""), known.get("source", ""))

    def rule(self, rule: RuleSpec) -> RuleLabel:
        """Return the label of a rule or a variant."""
        return RuleLabel(rule_color(rule.shown_as), self._source_of_rule(rule.name))


def labels_on_paper(catalogue: Catalogue, library: SpecLibrary) -> SpecLabels:
    """Return labels for which no plugin is loaded."""
    rules = catalogue.rules
    return SpecLabels(library, lambda name: str(rules[name].traits.get("source", "")) if name in rules else "")


def labels_of_runs(specs: Iterable[RunSpec], registry: Registry, library: SpecLibrary) -> KnownLabels:
    """Return the labels of these runs, as plain data for the mirror's process."""
    labels = SpecLabels(library, lambda name: registry.rules[name].traits.source if name in registry.rules else "")
    tracks: dict[str, TrackLabel] = {}
    rules: dict[str, RuleLabel] = {}
    for spec in specs:
        if spec.track not in tracks and (track := labels.track(spec.track)):
            tracks[spec.track] = track
        rules.setdefault(spec.rule.shown_as, labels.rule(spec.rule))
    return KnownLabels(tracks, rules)
