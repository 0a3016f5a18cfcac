"""Resolve a selection (track or suite, rules, seeds, tier and overrides) to fully explicit runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.inherited_tiers import warnings_of_rows
from benchsuite.specs.loading.kinds import NO_STUDIES, Studies, adapter_of, kind_of_folder
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve_row import (
    ResolvedRow,
    RuleDirectory,
    name_by_settings,
    resolve_row,
    without_repeated,
)
from benchsuite.specs.loading.selection import Selection as Selection
from benchsuite.specs.loading.selection import selected_hardware
from benchsuite.specs.loading.target_rows import rows_of_target
from benchsuite.specs.loading.targets import Target
from benchsuite.specs.loading.tuned_rows import FindTuned, tuned_rows
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.track import RunSpec, TrackSpec


@dataclass(frozen=True)
class SelectedRun:
    """One run and the command that repeats it."""

    spec: RunSpec
    command: str


def resolve(
    selection: Selection,
    library: SpecLibrary,
    directory: RuleDirectory,
    resolve_hardware: Callable[[HardwareSpec], HardwareSpec] = lambda hardware: hardware,
    target: Target | None = None,
    find_tuned: FindTuned | None = None,
) -> list[SelectedRun]:
    """Return every run of a selection, fully explicit, in the order track, seed, rule.

    Seeds come before rules, so that an interrupted suite has complete comparisons instead of one complete rule.

    Args:
        selection: the selection to resolve.
        library: the library to look names up in.
        directory: the known rules.
        resolve_hardware: replaces 'auto' with the machine's hardware.
        target: the suite or track of that name, if it has been looked up before.
        find_tuned: finds tuned settings, to run each row with these instead of its own; None for its own.

    Raises:
        SpecError: with all problems found, before anything is run.
        EmptySelectionError: if a pattern matches no rule.

    """
    overrides = selection.parsed_overrides()
    chosen = rows_of_target(selection, library, directory, target)
    tier = chosen.tier
    seeds = selection.seeds or tuple(range(chosen.seeds))
    hardware = resolve_hardware(selected_hardware(selection.hardware, library, overrides))
    problems: list[Problem] = []
    runs: list[SelectedRun] = []
    known = list(dict.fromkeys(name for rows in chosen.rows.values() for row in rows for name in (row.rule, row.key)))
    for name, track in chosen.tracks.items():
        _, found = check(adapter_of("tracks"), track, shape=TrackSpec)
        if found:
            problems += found
            continue
        resolved = []
        rows = chosen.rows[name]
        if find_tuned is not None:
            asked = bool(selection.rules)
            rows, found = tuned_rows(name, track, tier, rows, overrides, directory, known, find_tuned, named=asked)
            problems += [p for p in found if p not in problems]
        for row in rows:
            made, found = resolve_row(track, tier, row, overrides, directory, known)
            problems += [p for p in found if p not in problems]
            resolved.append(made)
        if problems:
            continue
        if overrides:
            variants = (row for row in chosen.variants_on(name) if row.rule in directory.rules)
            named = (resolve_row(track, tier, row, [], directory, []) for row in variants)
            name_by_settings(resolved, [variant for variant, wrong in named if not wrong])
        again = selection.target if Path(selection.target).suffix else name
        different = without_repeated(resolved)
        for seed in seeds:
            for made in different:
                spec = RunSpec(track=name, tier=tier, hardware=hardware, seed=seed, **made.parts)
                runs.append(SelectedRun(spec, _command(again, made, tier, seed, selection, hardware.world_size)))
    if problems:
        raise SpecError(problems, subject=selection.target)
    if find_tuned is not None and not runs:
        raise SpecError([Problem("no rule has a tuning in the store; `benchsuite tune` makes them", field="settings")])
    return runs


def warnings_of(selection: Selection, library: SpecLibrary, directory: RuleDirectory) -> list[Problem]:
    """Return what is allowed in the tracks of a selection that can be resolved, and may surprise at its tier."""
    return warnings_of_rows(rows_of_target(selection, library, directory))


def load_library_for(target: str, folders: Iterable[Path], studies: Studies = NO_STUDIES) -> SpecLibrary:
    """Return a library of these folders, and of the target's folder if it is a file in a library's layout."""
    own = Path(target).resolve().parent
    beside = [own.parent] if Path(target).suffix and kind_of_folder(own.name) else []
    return SpecLibrary([*folders, *beside], studies)


def _command(target: str, made: ResolvedRow, tier: str, seed: int, selection: Selection, processes: int) -> str:
    start = ["benchsuite"] if processes == 1 else ["torchrun", f"--nproc-per-node={processes}", "-m", "benchsuite"]
    words = [*start, "run", target, "--rules", made.row.rule, "--tier", tier, "--seed", str(seed)]
    if selection.hardware != "auto":
        words += ["--hardware", selection.hardware]
    # A variant's settings, not its name: the command gives the same run after the variant is renamed or removed.
    for text in (*made.settings, *made.row.own_overrides(selection.overrides)):
        words += ["--set", text]
    return shlex.join(words)
