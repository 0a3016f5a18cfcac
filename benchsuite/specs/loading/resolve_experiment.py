"""Resolve a selection that names an experiment to a fully explicit experiment."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.checking import check
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.overrides import apply_override, parse_override
from benchsuite.specs.loading.resolve import Selection
from benchsuite.specs.loading.targets import Target
from benchsuite.specs.loading.tree import Mark, from_plain
from benchsuite.specs.models.experiment import ExperimentSpec

ROOT = "experiment"


@dataclass(frozen=True)
class SelectedExperiment:
    """One experiment and the command that repeats it."""

    spec: ExperimentSpec
    command: str


def resolve_experiment(selection: Selection, target: Target) -> SelectedExperiment:
    """Return an experiment with the selection's seeds and overrides applied.

    Args:
        selection: the selection to resolve.
        target: the experiment that it names.

    Raises:
        SpecError: with all problems found, before anything is run.

    """
    problems = [
        Problem(f"an experiment has no choice of {what}; leave {option} out", option)
        for option, what, given in (
            ("--rules", "rules", selection.rules),
            ("--tier", "tier", selection.tier),
            ("--hardware", "hardware", selection.hardware != "auto"),
        )
        if given
    ]
    if problems:
        raise SpecError(problems, subject=selection.target)
    node = target.node
    if selection.seeds:
        node = node.with_entry("seeds", from_plain(list(selection.seeds), Mark("--seeds")))
    for text in selection.overrides:
        override = parse_override(text, [ROOT], f"{ROOT}.step_size=0.01")
        node = apply_override(node, override.path[1:], override.value)
    spec, problems = check(adapter_of("experiments"), node, shape=ExperimentSpec)
    if spec is None:
        raise SpecError(problems, subject=selection.target)
    return SelectedExperiment(spec, _command(selection))


def _command(selection: Selection) -> str:
    words = ["benchsuite", "run", selection.target]
    if selection.seeds == tuple(range(len(selection.seeds))) and selection.seeds:
        words += ["--seeds", str(len(selection.seeds))]
    else:
        words += [word for seed in selection.seeds for word in ("--seed", str(seed))]
    for text in selection.overrides:
        words += ["--set", text]
    return shlex.join(words)
