"""Replace rows by tuned ones: further rows of the same rules, whose settings a tuning has found."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from benchsuite.errors import Problem
from benchsuite.specs.loading.named_rows import ANY_HARDWARE
from benchsuite.specs.loading.overrides import Override
from benchsuite.specs.loading.resolve_row import RuleDirectory, resolve_row
from benchsuite.specs.loading.rows import Row
from benchsuite.specs.loading.tree import Node, from_plain
from benchsuite.specs.models.base import Tier
from benchsuite.specs.models.track import RunSpec
from benchsuite.specs.models.tuning import RATE, TuningSpec, config_of, tuned_title
from benchsuite.specs.models.tuning_budget import TuningBudget
from benchsuite.specs.search_space import search_space, tuning_of

logger = logging.getLogger("benchsuite.specs")


@dataclass(frozen=True)
class TunedSettings:
    """The best settings of a tuning."""

    tuning_id: str
    budget: str
    """In words, as in the title of a row."""
    settings: dict[str, float | int]
    """Value of each searched field."""


FindTuned = Callable[[TuningSpec], TunedSettings | None]
"""Returns the settings that a tuning of the same search has found, whatever its budget; None if there is none."""


def tuned_rows(
    track: str,
    node: Node,
    tier: Tier,
    rows: Sequence[Row],
    overrides: list[Override],
    directory: RuleDirectory,
    known: Iterable[str],
    find: FindTuned,
    *,
    named: bool,
) -> tuple[list[Row], list[Problem]]:
    """Return the tuned row of each row, and a problem for each that has none.

    A row without a tuning is left out with a warning if the request did not name it: not every rule works on every
    track, and not every track of a suite has been tuned.

    Args:
        track: name of the track.
        node: the track with everything it refers to filled in.
        tier: name of the tier.
        rows: the rows as the track or suite has them.
        overrides: all overrides of the request.
        directory: the known rules.
        known: rules and variants that an override may name.
        find: finds tuned settings.
        named: True if the request names its rows.

    """
    found, problems = [], []
    left_out: list[str] = []
    tuned_with: dict[str, str] = {}
    for row in rows:
        made, wrong = resolve_row(node, tier, row, overrides, directory, known, tuning=True)
        problems += wrong
        if wrong:
            continue
        run = RunSpec(track=track, tier=tier, hardware=ANY_HARDWARE, seed=0, **made.parts)
        try:
            tuned = _find(run, directory, find)
        except ValueError as error:
            problems.append(Problem(f"cannot be tuned: {error}", field=f"{track}.dataset"))
            continue
        if tuned is not None:
            found.append(_tuned(row, tuned))
            tuned_with[row.name] = tuned.budget
            continue
        changes = "".join(f" --set {shlex.quote(o.shown.removeprefix('--set '))}" for o in overrides)
        tunable = row.rule if row.is_control else row.key
        command = f"benchsuite tune {track} --rules {tunable} --tier {tier}{changes}"
        message = f"no tuning of {row.name} on {track} at tier {tier} in the store; `{command}` makes one"
        if named:
            problems.append(Problem(message, field="settings"))
        else:
            left_out.append(message)
    if left_out and not found:
        left_out = [
            f"no tuning of any rule on {track} at tier {tier} in the store; `benchsuite tune {track}` makes them"
        ]
    for message in left_out:
        logger.warning("left out: %s", message)
    if len(set(tuned_with.values())) > 1:
        efforts = "; ".join(f"{name}: {budget}" for name, budget in tuned_with.items())
        logger.warning("unequal tuning on %s, so that a gap is not the rules' alone (%s)", track, efforts)
    return found, problems


def _find(run: RunSpec, directory: RuleDirectory, find: FindTuned) -> TunedSettings | None:
    """Return the settings of a run's tuning.

    A run whose lower half is frozen is the control of the same rule learning in all segments, and has its settings.
    """
    space = search_space(run, directory.rule_fields(run.rule.name))
    budget = TuningBudget(trials=1)  # of any budget: the search decides
    if run.protocol.frozen != "none":
        whole = run.model_copy(update={"protocol": run.protocol.model_copy(update={"frozen": "none"})})
        if (tuned := find(tuning_of(whole, space, budget))) is not None:
            return tuned
    return find(tuning_of(run, space, budget))


def _tuned(row: Row, tuned: TunedSettings) -> Row:
    changes: dict[str, Any] = {
        "protocol": {"optimizer": {"learning_rate": tuned.settings[RATE]}},
        "config": config_of(tuned.settings),
    }
    node = from_plain(changes, row.mark)
    return replace(
        row,
        title=tuned_title(row.name, tuned.budget),
        settings=row.settings.merged(node) if row.settings else node,
        tuned_by=tuned.tuning_id,
    )
