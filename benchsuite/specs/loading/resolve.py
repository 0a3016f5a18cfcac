"""Resolve a selection (track or suite, rules, seeds, tier and overrides) to fully explicit runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol

from benchsuite.errors import EmptySelectionError, PluginError, Problem, SpecError, nearest
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import NO_STUDIES, PARTS, Studies, adapter_of, kind_of_folder
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.overrides import Override, apply_override, parse_override
from benchsuite.specs.loading.targets import Target, find_target
from benchsuite.specs.loading.tree import Mark, Node, dig
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.track import RuleSpec, RunSpec, SuiteSpec, TrackSpec


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


@dataclass(frozen=True)
class Selection:
    """The runs that a user asks for."""

    target: str
    """Name of a suite or a track, or the path of such a file."""
    rules: tuple[str, ...] = ()
    """Names or patterns of rules. Default: the suite's rules; for a track, all installed rules."""
    tier: Tier | None = None
    """Default: the suite's tier; 'quick' for a track."""
    seeds: tuple[int, ...] = ()
    """Seed indices. Default: the suite's seeds; 0 to 2 for a track."""
    overrides: tuple[str, ...] = ()
    """Overrides ``path=value``, applied last."""
    hardware: str = "auto"
    """Name of a hardware spec, or the path of its file."""


@dataclass(frozen=True)
class SelectedRun:
    """One run and the command that repeats it."""

    spec: RunSpec
    command: str


@dataclass
class _Tracks:
    """The tracks of a target, before rules and seeds are resolved."""

    tracks: dict[str, Node]
    seeds: int
    tier: Tier
    rules: dict[str, dict[str, Mark]] = field(default_factory=dict)
    """By track, the rules that a suite runs on it, with their places in the file; empty for a single track."""


def resolve(
    selection: Selection,
    library: SpecLibrary,
    directory: RuleDirectory,
    resolve_hardware: Callable[[HardwareSpec], HardwareSpec] = lambda hardware: hardware,
    target: Target | None = None,
) -> list[SelectedRun]:
    """Return every run of a selection, fully explicit, in the order track, seed, rule.

    Seeds come before rules, so that an interrupted suite has complete comparisons instead of one complete rule.

    Args:
        selection: the selection to resolve.
        library: the library to look names up in.
        directory: the known rules.
        resolve_hardware: replaces 'auto' with the machine's hardware.
        target: the suite or track of that name, if it has been looked up before.

    Raises:
        SpecError: with all problems found, before anything is run.
        EmptySelectionError: if a pattern matches no rule.

    """
    roots = [*PARTS, "hardware", "rules"]
    overrides = [parse_override(text, roots, "protocol.epochs=5") for text in selection.overrides]
    tracks = _tracks_of(target or find_target(selection.target, library), selection, library)
    tier = selection.tier or tracks.tier
    rules = _select_rules(selection, tracks, directory)
    seeds = selection.seeds or tuple(range(tracks.seeds))
    hardware = resolve_hardware(_resolve_hardware(selection.hardware, library, overrides))
    problems: list[Problem] = []
    runs: list[SelectedRun] = []
    everything = list(dict.fromkeys(rule for chosen in rules.values() for rule in chosen))
    for name, track in tracks.tracks.items():
        _, found = check(adapter_of("tracks"), track, shape=TrackSpec)
        if found:
            problems += found
            continue
        by_rule = {}
        for rule in rules[name]:
            parts, found = resolve_parts(track, tier, rule, overrides, directory, everything)
            problems += [p for p in found if p not in problems]
            by_rule[rule] = parts
        if problems:
            continue
        again = selection.target if Path(selection.target).suffix else name
        for seed in seeds:
            for rule in rules[name]:
                spec = RunSpec(track=name, tier=tier, hardware=hardware, seed=seed, **by_rule[rule])
                runs.append(SelectedRun(spec, _command(again, rule, tier, seed, selection, hardware.world_size)))
    if problems:
        raise SpecError(problems, subject=selection.target)
    return runs


def load_library_for(target: str, folders: Iterable[Path], studies: Studies = NO_STUDIES) -> SpecLibrary:
    """Return a library of these folders, and of the target's folder if it is a file in a library's layout."""
    own = Path(target).resolve().parent
    beside = [own.parent] if Path(target).suffix and kind_of_folder(own.name) else []
    return SpecLibrary([*folders, *beside], studies)


def products_of(suite: Node) -> list[tuple[str, Node]]:
    """Return the products of tracks and rules in a suite, each with its path in the file."""
    cells = suite.get("cells")
    return [("", suite)] if cells is None else [(f"cells.{i}.", product) for i, product in enumerate(cells.value)]


def _tracks_of(target: Target, selection: Selection, library: SpecLibrary) -> _Tracks:
    match target.kind:
        case "suites":
            return _suite(target.node, library)
        case "tracks":
            return _one_track(target.name, target.node)
        case _:
            message = f"'{target.name}' is a study, which is not made of runs; `benchsuite run` runs it whole"
            raise SpecError([Problem(message)], subject=selection.target)


def _one_track(name: str, node: Node) -> _Tracks:
    return _Tracks({name: node}, seeds=3, tier="quick")


def _suite(node: Node, library: SpecLibrary) -> _Tracks:
    suite, problems = check(adapter_of("suites"), node, shape=SuiteSpec)
    if suite is None:
        raise SpecError(problems, subject=node.mark.file or "suite")
    found = _Tracks({}, suite.seeds, suite.tier)
    for prefix, product in products_of(node):
        marks = {entry.value: entry.mark for entry in product.value["rules"].value}
        for position, entry in enumerate(product.value["tracks"].value):
            name = entry.value
            if name not in found.tracks:
                found.tracks[name] = library.load("tracks", name, entry.mark, f"{prefix}tracks.{position}")
            found.rules[name] = {**found.rules.get(name, {}), **marks}
    return found


def _select_rules(selection: Selection, target: _Tracks, directory: RuleDirectory) -> dict[str, list[str]]:
    """Return the rules to run on each track.

    Rules selected by name or pattern replace the suite's rules. But a rule that the suite runs on some tracks only is
    kept to those, so that selecting half of a table does not create pairs that make no sense.
    """
    own = {rule: mark for marks in target.rules.values() for rule, mark in marks.items()}
    chosen = _rules_asked_for(selection, own, directory)
    by_track = {}
    for name in target.tracks:
        here = target.rules.get(name, {})
        by_track[name] = [rule for rule in chosen if rule in here or rule not in own]
    return by_track


def _rules_asked_for(selection: Selection, own: dict[str, Mark], directory: RuleDirectory) -> list[str]:
    asked = selection.rules or tuple(own) or tuple(sorted(directory.rules))
    chosen: dict[str, None] = {}
    problems = []
    for name in asked:
        if any(c in name for c in "*?["):
            chosen.update(dict.fromkeys(r for r in sorted(directory.rules) if fnmatchcase(r, name)))
        elif name in directory.rules:
            chosen[name] = None
        else:
            mark = Mark(f"--rules {name}") if name in selection.rules else own.get(name, Mark(None))
            problems.append(mark.problem(_why_no_rule(name, directory), "rules"))
    if problems:
        raise SpecError(problems, subject=selection.target)
    if not chosen:
        raise EmptySelectionError(
            f"no installed rule matches {', '.join(asked)}; there are {', '.join(sorted(directory.rules))}"
        )
    return list(chosen)


def _why_no_rule(name: str, directory: RuleDirectory) -> str:
    try:
        directory.rule_config(name, {})
    except PluginError as error:
        return str(error)
    return f"no rule '{name}'{nearest(name, directory.rules)}"


def resolve_parts(
    track: Node,
    tier: str,
    rule: str,
    overrides: list[Override],
    directory: RuleDirectory,
    rules: Iterable[str],
) -> tuple[dict[str, Any], list[Problem]]:
    """Return the parts of one run (data set, architecture, protocol and so on, and the rule) and all problems found."""
    tier_changes = dig(track, "tiers", tier)
    settings = _laid_over(dig(track, "rules", rule), dig(tier_changes, "rules", rule))
    problems: list[Problem] = []
    parts: dict[str, Any] = {}
    for part, shape in PARTS.items():
        node = track.get(part) or Node({}, track.mark)
        for change in (dig(tier_changes, part), dig(settings, part) if part == "protocol" else None):
            node = node.merged(change) if change else node
        for override in overrides:
            if override.path[0] == part:
                node = apply_override(node, override.path[1:], override.value)
        parts[part], found = check(adapter_of(part), node, prefix=part, shape=shape)
        problems += found
        if part == "diagnostics" and not found:
            problems += _unknown_diagnostics(node, directory)
    config = dig(settings, "config") or Node({}, track.mark)
    for override in overrides:
        path, shown = override.path, override.shown
        if path[0] != "rules":
            continue
        if len(path) < 4 or path[2] != "config":
            problems.append(Problem("expected rules.<rule>.config.<field>=value", shown))
        elif path[1] == rule:
            config = apply_override(config, path[3:], override.value)
        elif path[1] not in rules:
            problems.append(Problem(f"rule '{path[1]}' is not among those selected{nearest(path[1], rules)}", shown))
    try:
        parts["rule"] = RuleSpec(name=rule, config=directory.rule_config(rule, config.plain()))
    except SpecError as error:
        problems += [_placed(p, config, rule) for p in error.problems]
    return parts, problems


def _unknown_diagnostics(node: Node, directory: RuleDirectory) -> list[Problem]:
    """Return a problem for each diagnostic that nothing installed provides."""
    names, sizes = node.get("names"), node.get("examples_of")
    known = directory.diagnostics
    named = [
        *((f"names.{place}", entry.value, entry.mark) for place, entry in enumerate(names.value if names else ())),
        *((f"examples_of.{name}", name, sizes.keys[name]) for name in (sizes.value if sizes else ())),
    ]
    return [
        mark.problem(
            f"no diagnostic '{name}'{nearest(name, known)} (`benchsuite list diagnostics` shows all {len(known)})",
            f"diagnostics.{where}",
        )
        for where, name, mark in named
        if name not in known
    ]


def _placed(problem: Problem, config: Node, rule: str) -> Problem:
    """Move a rule's problem to the place in the file where its hyperparameter stands."""
    path = (problem.field or "").removeprefix(f"rules.{rule}.config.").split(".")
    steps = list(config.along(tuple(path)))
    mark = steps[-1][1].mark if steps else config.mark
    return mark.problem(problem.message, problem.field)


def _laid_over(below: Node | None, above: Node | None) -> Node | None:
    return below.merged(above) if below and above else above or below


def _resolve_hardware(name: str, library: SpecLibrary, overrides: list[Override]) -> HardwareSpec:
    is_file = Path(name).suffix in {".yaml", ".yml"}
    node = library.load_file("hardware", Path(name)) if is_file else library.load("hardware", name, Mark("--hardware"))
    for override in overrides:
        if override.path[0] == "hardware":
            node = apply_override(node, override.path[1:], override.value)
    hardware, problems = check(adapter_of("hardware"), node, prefix="hardware", shape=HardwareSpec)
    if hardware is None:
        raise SpecError(problems, subject=f"hardware {name}")
    settled: HardwareSpec = hardware
    return settled


def _command(target: str, rule: str, tier: str, seed: int, selection: Selection, processes: int) -> str:
    start = ["benchsuite"] if processes == 1 else ["torchrun", f"--nproc-per-node={processes}", "-m", "benchsuite"]
    words = [*start, "run", target, "--rules", rule, "--tier", tier, "--seed", str(seed)]
    if selection.hardware != "auto":
        words += ["--hardware", selection.hardware]
    for text in selection.overrides:
        words += ["--set", text]
    return shlex.join(words)
