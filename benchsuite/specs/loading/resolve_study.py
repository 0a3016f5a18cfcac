"""Resolve a selection that names a study to a fully explicit study."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from benchsuite.errors import Problem, SpecError
from benchsuite.specs.loading.check_study import check_study
from benchsuite.specs.loading.kinds import Studies
from benchsuite.specs.loading.overrides import apply_override, parse_override
from benchsuite.specs.loading.resolve import Selection
from benchsuite.specs.loading.targets import Target
from benchsuite.specs.loading.tree import Mark, from_plain
from benchsuite.specs.models.study import StudySpec

ROOT = "study"
FORMER_ROOT = "experiment"
"""First word of overrides in the commands of older records; still understood."""


@dataclass(frozen=True)
class SelectedStudy:
    """One study and the command that repeats it."""

    spec: StudySpec
    command: str


def resolve_study(selection: Selection, target: Target, studies: Studies) -> SelectedStudy:
    """Return a study with the selection's seeds and overrides applied.

    Args:
        selection: the selection to resolve.
        target: the study that it names.
        studies: models of specs by ``kind``, from the registry.

    Raises:
        SpecError: with all problems found, before anything is run.

    """
    problems = [
        Problem(f"a study has no choice of {what}; leave {option} out", option)
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
        today = f"{ROOT}{text.removeprefix(FORMER_ROOT)}" if text.startswith(f"{FORMER_ROOT}.") else text
        override = parse_override(today, [ROOT], f"{ROOT}.seeds=[0, 1]")
        node = apply_override(node, override.path[1:], override.value)
    spec, problems = check_study(node, studies)
    if spec is None:
        raise SpecError(problems, subject=selection.target)
    return SelectedStudy(spec, _command(selection))


def _command(selection: Selection) -> str:
    words = ["benchsuite", "run", selection.target]
    if selection.seeds == tuple(range(len(selection.seeds))) and selection.seeds:
        words += ["--seeds", str(len(selection.seeds))]
    else:
        words += [word for seed in selection.seeds for word in ("--seed", str(seed))]
    for text in selection.overrides:
        words += ["--set", text]
    return shlex.join(words)
