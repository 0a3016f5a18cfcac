"""Suggestions of built-in tracks on which a rule works, for messages that refuse it on another track."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from benchsuite.credit.traits import RuleTraits, incompatibilities
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import BenchsuiteError, DataError
from benchsuite.execution.compatibility import RunWithShapes
from benchsuite.execution.plan import describe
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.tree import Node, dig
from benchsuite.specs.models.dataset import DatasetSpec


def fitting_tracks(run: RunWithShapes, library: SpecLibrary, registry: Registry, count: int = 3) -> list[str]:
    """Return a few tracks on which the rule of a refused run works, those with the most similar names first.

    None are named if the rule works in this network. Skipped are networks of torchvision and of plugins, whose modules
    would have to be built, and data sets that would have to be read.

    Args:
        run: the refused run.
        library: its tracks are searched until enough are found.
        registry: provides plugins' readers of data sets.
        count: maximum number to return.

    """
    if not incompatibilities(run.rule.traits, run.shapes, run.selected.spec.protocol.loss_name):
        return []  # refused for the hardware's number format, which no other track changes
    candidates = _most_similar_first(run.selected.spec.track, library)
    return list(islice(_working(run.rule.traits, library, registry, candidates), count))


def tracks_for_rules(
    refused_on: Mapping[str, str], library: SpecLibrary, registry: Registry, count: int = 3
) -> dict[str, tuple[str, ...]]:
    """Return a few tracks for each rule that no run of a plan can be made with; as ``fitting_tracks``.

    Args:
        refused_on: a track on which the rule is refused, by the rule's name.
        library: its tracks are searched until enough are found.
        registry: provides the rules.
        count: maximum number of tracks per rule.

    """
    found = {}
    for rule, track in refused_on.items():
        traits = registry.rule(rule).traits
        if any(_working(traits, library, registry, [track])):
            continue  # refused for the hardware's number format, which no other track changes
        found[rule] = tuple(islice(_working(traits, library, registry, _most_similar_first(track, library)), count))
    return {rule: tracks for rule, tracks in found.items() if tracks}


def _most_similar_first(track: str, library: SpecLibrary) -> list[str]:
    words = set(track.split("-"))

    def distance(name: str) -> tuple[int, int, str]:
        own = name.split("-")
        return -len(words.intersection(own)), len(own), name

    return sorted((name for name in library.names("tracks") if name != track), key=distance)


def _working(traits: RuleTraits, library: SpecLibrary, registry: Registry, candidates: list[str]) -> Iterator[str]:
    for name in candidates:
        try:
            track = library.load("tracks", name)
            if _has_form(track, traits) and _works(track, traits, registry):
                yield name
        except BenchsuiteError:
            continue  # skip a track with an invalid spec, or whose data would have to be read


def _has_form(track: Node, traits: RuleTraits) -> bool:
    """Return True if the rule supports the network's form; avoids working out the shapes of other networks."""
    kind, form = dig(track, "architecture", "kind"), dig(track, "architecture", "form")
    if kind is None or kind.value not in {"chain", "resnet"}:
        return False
    return (form.value if form else "ordinary") in traits.forms


def _works(track: Node, traits: RuleTraits, registry: Registry) -> bool:
    parts_needed = ("dataset", "architecture", "protocol")
    parts: list[Any] = [check(adapter_of(part), track.get(part) or track)[0] for part in parts_needed]
    dataset, architecture, protocol = parts
    if dataset is None or architecture is None or protocol is None:
        return False
    data = describe(dataset, registry, Path(), load=_refuse_to_read)
    shapes = shapes_of(architecture, data.input_shape, data.classes)
    return not incompatibilities(traits, shapes, protocol.loss_name)


def _refuse_to_read(dataset: DatasetSpec) -> DecodedDataset:
    raise DataError(f"{dataset.name} would have to be read")
