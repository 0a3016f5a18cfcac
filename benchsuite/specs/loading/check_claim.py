"""Check that a claim's names exist: tracks, rules, hyperparameters and metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from benchsuite.errors import PluginError, Problem, SpecError, nearest
from benchsuite.specs.loading.floors import floor_bound, published_final_errors
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.rows import has_variant, variants_on
from benchsuite.specs.loading.tree import Node
from benchsuite.specs.models.claim import WHOLE_NETWORK, ClaimSpec


class Directory(Protocol):
    """The rules and diagnostics that a claim may name; the registry implements this."""

    @property
    def rules(self) -> Mapping[str, Any]:
        """All usable rules by name."""

    @property
    def diagnostics(self) -> Mapping[str, Any]:
        """All usable diagnostics by name."""

    def rule_config(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a rule's hyperparameters with defaults filled in; raises SpecError or PluginError."""


def check_claim(claim: Node, library: SpecLibrary, directory: Directory) -> list[Problem]:
    """Return a problem per unknown name in a claim; a comparison with a setting may name things not here yet.

    Args:
        claim: the claim, already validated.
        library: the library to look up tracks in.
        directory: the known rules and diagnostics.

    """
    found: list[Problem] = []
    metrics = sorted([*WHOLE_NETWORK, *directory.diagnostics])
    for index, comparison in enumerate(claim.value["comparisons"].value):
        if comparison.get("setting") is not None:
            continue
        prefix = f"comparisons.{index}"
        found += _unknown("diagnostic", [(f"{prefix}.metric", comparison.value["metric"])], metrics)
        tracks = comparison.get("tracks")
        named = [(f"{prefix}.tracks.{i}", node) for i, node in enumerate(tracks.value if tracks else [])]
        for part in ("left", "right"):
            side = comparison.get(part)
            if side is None:
                continue
            if (track := side.get("track")) is not None:
                named.append((f"{prefix}.{part}.track", track))
            rules = [
                (f"{prefix}.{part}.{f}", node) for f in ("rule", "minus", "over") if (node := side.get(f)) is not None
            ]
            on = [track] if track is not None else tracks.value if tracks else []
            unknown = list(_unknown_rows(rules, [str(node.value) for node in on], library, directory))
            found += unknown or _wrong_config(side, f"{prefix}.{part}", directory)
        found += _unknown("track", named, library.names("tracks"))
    floors = claim.get("floors")
    rules = [(f"floors.{i}.rule", floor.value["rule"]) for i, floor in enumerate(floors.value if floors else [])]
    return [*found, *(list(_unknown("rule", rules, sorted(directory.rules))) or _unfounded_floors(claim, library))]


def _unfounded_floors(claim: Node, library: SpecLibrary) -> list[Problem]:
    """Return a problem per floor that is a distance from an error that nobody published."""
    floors = claim.get("floors")
    if floors is None:
        return []
    spec = ClaimSpec.model_validate(claim.plain())
    published = published_final_errors(library)
    found = []
    for index, (node, floor) in enumerate(zip(floors.value, spec.floors, strict=True)):
        for track in floor.tracks or sorted(spec.tracks):
            try:
                floor_bound(floor, track, published)
            except SpecError as error:
                found += [node.mark.problem(problem.message, f"floors.{index}") for problem in error.problems]
    return found


def _unknown(kind: str, named: Iterable[tuple[str, Node]], known: list[str]) -> Iterator[Problem]:
    for field, node in named:
        if node.value not in known:
            hint = f"{nearest(str(node.value), known)} (`benchsuite list {kind}s` shows all)"
            yield node.mark.problem(f"no {kind} '{node.value}'{hint}", field)


def _unknown_rows(
    named: Iterable[tuple[str, Node]], tracks: Iterable[str], library: SpecLibrary, directory: Directory
) -> Iterator[Problem]:
    """Yield a problem per name that is neither a rule nor a variant of each of the tracks."""
    for field, node in named:
        name = str(node.value)
        lacking = [t for t in tracks if name not in directory.rules and not has_variant(t, name, library)]
        if name in directory.rules or not lacking:
            continue
        titles = {row.title for t in tracks for rows in variants_on(t, "paper", library).values() for row in rows}
        problem = next(_unknown("rule", [(field, node)], [*sorted(directory.rules), *sorted(titles)]), None)
        yield problem or node.mark.problem(f"no variant '{name}' on {', '.join(lacking)}", field)


def _wrong_config(side: Node, prefix: str, directory: Directory) -> list[Problem]:
    config = side.get("config")
    if config is None or side.value["rule"].value not in directory.rules:
        return []  # that of a variant is checked with the variant's own, when the claim is judged
    try:
        directory.rule_config(side.value["rule"].value, config.plain())
    except SpecError as error:
        own = f"rules.{side.value['rule'].value}."
        return [
            config.mark.problem(p.message, f"{prefix}.{(p.field or 'config').removeprefix(own)}")
            for p in error.problems
        ]
    except PluginError as error:
        return [config.mark.problem(str(error), f"{prefix}.config")]
    return []
