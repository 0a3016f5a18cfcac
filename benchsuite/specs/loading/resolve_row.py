"""Resolve one row of a track: the parts of its runs, with all changes laid over each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic.fields import FieldInfo

from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.specs.hashing import canonical_json
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import PARTS, adapter_of
from benchsuite.specs.loading.overrides import Override, apply_override
from benchsuite.specs.loading.rows import Row
from benchsuite.specs.loading.tree import Node, dig
from benchsuite.specs.models.base import strip_documentation
from benchsuite.specs.models.dataset import ResidentBase
from benchsuite.specs.models.track import RuleSpec
from benchsuite.specs.models.variant import MEASUREMENT_FIELDS


class RuleDirectory(Protocol):
    """The rules and diagnostics that resolving needs; the registry implements this."""

    @property
    def rules(self) -> Mapping[str, Any]:
        """All usable rules by name."""

    @property
    def diagnostics(self) -> Mapping[str, Any]:
        """All usable diagnostics by name."""

    def rule_config(self, name: str, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a rule's hyperparameters with defaults filled in; raises SpecError or PluginError."""

    def rule_fields(self, name: str) -> Mapping[str, FieldInfo]:
        """Return the fields of a rule's ``Config``; raises PluginError."""


@dataclass
class ResolvedRow:
    """One row with the parts of its runs."""

    row: Row
    parts: dict[str, Any] = field(default_factory=dict)
    """Data set, architecture, protocol and so on, and the rule."""
    settings: list[str] = field(default_factory=list)
    """A variant's settings as overrides ``path=value``."""


def resolve_row(
    track: Node,
    tier: str,
    row: Row,
    overrides: list[Override],
    directory: RuleDirectory,
    known: Iterable[str],
    tuning: bool = False,
) -> tuple[ResolvedRow, list[Problem]]:
    """Return a row with the parts of its runs, and all problems found.

    Each of these is laid over the one before: the track, its tier's changes, its settings of the rule, the tier's
    settings of the rule, the variant's settings, the overrides, those of the rule last.

    Args:
        track: the track with everything it refers to filled in.
        tier: name of the tier.
        row: the rule or variant.
        overrides: all overrides of the request.
        directory: the known rules and diagnostics.
        known: rules and variants that an override may name.
        tuning: True to keep the data set's validation examples also if final runs learn them.

    """
    tier_changes = dig(track, "tiers", tier)
    settings = _laid_over(dig(track, "rules", row.rule), dig(tier_changes, "rules", row.rule))
    of_row, problems = _overrides_of_row(overrides, row, known)
    found = ResolvedRow(row)
    for part, shape in PARTS.items():
        node = track.get(part) or Node({}, track.mark)
        for change in (dig(tier_changes, part), dig(settings, part) if part == "protocol" else None):
            node = node.merged(change) if change else node
        own = dig(row.settings, "protocol") if part == "protocol" else None
        if own:
            node = node.merged(own)
            found.settings += _as_overrides("protocol", own, node)
        for override in overrides:
            if override.path[0] == part:
                node = apply_override(node, override.path[1:], override.value)
        for override in of_row.get(part, ()):
            node = apply_override(node, override.path[3:], override.value)
        found.parts[part], wrong = check(adapter_of(part), node, prefix=part, shape=shape)
        problems += [_in_row(p, row, own) for p in wrong] if own else wrong
        if isinstance(found.parts[part], ResidentBase) and not tuning:
            found.parts[part] = found.parts[part].for_final_runs()
        if part == "diagnostics" and not wrong:
            problems += _unknown_diagnostics(node, directory)
    config = dig(settings, "config") or Node({}, track.mark)
    if own := dig(row.settings, "config"):
        config = config.merged(own)
        found.settings += _as_overrides(f"rules.{row.rule}.config", own, config)
    for override in of_row["config"]:
        config = apply_override(config, override.path[3:], override.value)
    try:
        rule = directory.rule_config(row.rule, config.plain())
        found.parts["rule"] = RuleSpec(name=row.rule, title=row.title, tuned_by=row.tuned_by, config=rule)
    except SpecError as error:
        problems += [_placed(p, config, row, own) for p in error.problems]
    return found, problems


def _overrides_of_row(
    overrides: Iterable[Override], row: Row, known: Iterable[str]
) -> tuple[dict[str, list[Override]], list[Problem]]:
    """Return the overrides of a row's own settings by part of these, and the problems of all such overrides."""
    found: dict[str, list[Override]] = {"config": [], "protocol": []}
    problems = []
    for override in overrides:
        path, shown = override.path, override.shown
        if path[0] != "rules":
            continue
        if len(path) < 4 or path[2] not in found:
            forms = " or ".join(f"rules.<rule>.{part}.<field>=value" for part in found)
            problems.append(Problem(f"expected {forms}", shown))
        elif path[2] == "protocol" and path[3] in MEASUREMENT_FIELDS:
            message = f"a rule cannot change {path[3]}, since all rows of a table are measured alike; set"
            problems.append(Problem(f"{message} {'.'.join(path[2:])} for all", shown))
        elif path[1] in (row.rule, row.key):
            found[path[2]].append(override)
        elif path[1] not in known:
            problems.append(Problem(f"rule '{path[1]}' is not among those selected{nearest(path[1], known)}", shown))
    return found, problems


def name_by_settings(rows: Iterable[ResolvedRow], variants: Sequence[ResolvedRow]) -> None:
    """Name the runs of rules whose settings, by overrides, are those of a variant."""
    names = {_key(made, _NAMED_PARTS): made.row.title for made in reversed(variants)}
    for made in rows if names else ():
        title = names.get(_key(made, _NAMED_PARTS))
        if title and not made.row.title:
            made.parts["rule"] = made.parts["rule"].model_copy(update={"title": title})


def without_repeated(rows: Sequence[ResolvedRow]) -> list[ResolvedRow]:
    """Return the rows that differ in their settings; of equal ones the first, or the first variant if there is one."""
    different: dict[str, ResolvedRow] = {}
    for made in rows:
        key = _key(made, ("rule", "protocol"))  # the other parts are the track's
        if key not in different or (made.row.title and not different[key].row.title):
            different[key] = made
    return list(different.values())


_NAMED_PARTS = (*(part for part in PARTS if part != "diagnostics"), "rule")
"""Parts that are the settings of a name; diagnostics change no result."""


def _key(made: ResolvedRow, parts: Iterable[str]) -> str:
    return canonical_json([strip_documentation(made.parts[part].model_dump(mode="json")) for part in parts])


def _as_overrides(path: str, own: Node, merged: Node) -> list[str]:
    """Return a variant's changes as overrides: each of its fields, with the value that it has after merging."""
    return [f"{path}.{name}={json.dumps(merged.value[name].plain(), ensure_ascii=False)}" for name in own.value]


def _unknown_diagnostics(node: Node, directory: RuleDirectory) -> list[Problem]:
    """Return a problem for each diagnostic that nothing installed provides."""
    names, sizes = node.get("names"), node.get("examples_of")
    known = directory.diagnostics
    named = [
        *((f"names.{place}", entry.value, entry.mark) for place, entry in enumerate(names.value if names else ())),
        *((f"examples_of.{name}", name, mark) for name, mark in (sizes.keys if sizes else {}).items()),
    ]
    return [
        mark.problem(
            f"no diagnostic '{name}'{nearest(name, known)} (`benchsuite list diagnostics` shows all {len(known)})",
            f"diagnostics.{where}",
        )
        for where, name, mark in named
        if name not in known
    ]


def _placed(problem: Problem, config: Node, row: Row, own: Node | None) -> Problem:
    """Move a rule's problem to the place in the file where its hyperparameter stands."""
    name = (problem.field or "").removeprefix(f"rules.{row.rule}.config.")
    path = tuple(name.split("."))
    steps = list(config.along(path))
    mark = steps[-1][1].mark if steps else config.mark
    is_own = own is not None and bool(list(own.along(path)))
    return mark.problem(problem.message, f"{row.field}.config.{name}" if is_own else problem.field)


def _in_row(problem: Problem, row: Row, own: Node) -> Problem:
    """Name a problem of the protocol by its path in the row, if it stands there."""
    steps = (problem.field or "").split(".")[1:]
    if steps and dig(own, *steps) is not None:
        return Problem(problem.message, problem.file, problem.line, problem.column, f"{row.field}.{problem.field}")
    return problem


def _laid_over(below: Node | None, above: Node | None) -> Node | None:
    return below.merged(above) if below and above else above or below
