"""Resolve a selection of tracks and rules to tunings: one per row, fully explicit."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve_row import RuleDirectory, resolve_row
from benchsuite.specs.loading.selection import Selection, selected_hardware
from benchsuite.specs.loading.target_rows import rows_of_target
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.track import RunSpec, TrackSpec
from benchsuite.specs.models.tuning import TuningSpec, with_settings
from benchsuite.specs.models.tuning_budget import TuningBudget
from benchsuite.specs.search_space import search_space, trial_settings, tuning_id, tuning_of

logger = logging.getLogger("benchsuite.specs")


@dataclass(frozen=True)
class SelectedTuning:
    """One tuning, and the name of its row."""

    spec: TuningSpec
    row: str


def resolve_tunings(
    selection: Selection,
    library: SpecLibrary,
    directory: RuleDirectory,
    resolve_hardware: Callable[[HardwareSpec], HardwareSpec],
    trials: int | None = None,
) -> list[SelectedTuning]:
    """Return the tuning of every row of a selection; rows that differ only in what is searched have one together.

    A variant whose lower half is frozen has none: ``--settings tuned`` gives it the settings of its rule.
    Of several tracks, those whose data sets have no validation examples are left out with a warning.

    Args:
        selection: tracks, rules, tier, overrides and hardware; its seeds are not used.
        library: the library to look names up in.
        directory: the known rules.
        resolve_hardware: replaces 'auto' with the machine's hardware.
        trials: trials per rule, instead of the tracks' own.

    Raises:
        SpecError: with all problems found; that no data set has validation examples is one.
        EmptySelectionError: if a pattern matches no rule.

    """
    overrides = selection.parsed_overrides()
    chosen = rows_of_target(selection, library, directory)
    hardware = resolve_hardware(selected_hardware(selection.hardware, library, overrides))
    known = [name for rows in chosen.rows.values() for row in rows for name in (row.rule, row.key)]
    problems: list[Problem] = []
    untunable: list[Problem] = []
    controls: list[Problem] = []
    found: dict[str, SelectedTuning] = {}
    for name, node in chosen.tracks.items():
        track, wrong = check(adapter_of("tracks"), node, shape=TrackSpec)
        problems += wrong
        if track is None:
            continue
        try:
            budget = budget_of(track, chosen.tier, trials)
        except ValidationError as error:
            problems.append(Problem(error.errors()[0]["msg"], field=f"{name}.tuning"))
            continue
        for row in chosen.rows[name]:
            made, wrong = resolve_row(node, chosen.tier, row, overrides, directory, known, tuning=True)
            problems += [p for p in wrong if p not in problems]
            if wrong:
                continue
            if row.is_control:
                message = f"'{row.name}' has the tuned settings of {row.rule}; tune that"
                controls.append(Problem(message, field=row.field))
                continue
            try:
                run = RunSpec(track=name, tier=chosen.tier, hardware=hardware, seed=0, **made.parts)
                spec = tuning_for(run, budget, directory)
            except ValueError as error:
                problem = Problem(f"cannot be tuned: {error}", field=f"{name}.dataset")
                untunable += [problem] if problem not in untunable else []
                continue
            found.setdefault(tuning_id(spec), SelectedTuning(spec, made.row.name))
    if problems or not found:
        problems += untunable or controls
        untunable = []
    for problem in untunable:
        logger.warning("left out: %s: %s", problem.field, problem.message)
    if problems:
        raise SpecError(problems, subject=selection.target)
    return list(found.values())


def budget_of(track: TrackSpec, tier: str, trials: int | None = None) -> TuningBudget:
    """Return a track's budget at a tier.

    Raises:
        ValidationError: pydantic's, if the tier's changes are wrong.

    """
    changes: dict[str, Any] = next((c.tuning for name, c in track.tiers.items() if name == tier), {})
    asked = {} if trials is None else {"trials": trials}
    return TuningBudget.model_validate({**track.tuning.model_dump(), **changes, **asked})


def tuning_for(run: RunSpec, budget: TuningBudget, directory: RuleDirectory) -> TuningSpec:
    """Return the tuning whose result are settings for a run.

    Raises:
        ValueError: if the data set has no validation examples.
        SpecError: if a tunable field's range has values that the rule refuses.

    """
    rule = run.rule.name
    spec = tuning_of(run, search_space(run, directory.rule_fields(rule)), budget)
    for settings in trial_settings(spec):
        directory.rule_config(rule, with_settings(spec.run, settings).rule.config)
    return spec
