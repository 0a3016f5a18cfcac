"""Work out a plan by the code of the plugins, which takes torch; ``plans_on_paper`` keeps what it gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.api.options import PathLike, Paths
from benchsuite.api.plans_on_paper import keep_plan
from benchsuite.api.workspace import open_workspace
from benchsuite.errors import HardwareError, Problem
from benchsuite.execution.planned_run import MissingData, PlannedRun, missing_data
from benchsuite.process import is_own_process
from benchsuite.specs.loading.resolve import Selection, resolve, warnings_of
from benchsuite.specs.models.hardware import HardwareSpec

if TYPE_CHECKING:
    from benchsuite.specs.loading.tuned_rows import FindTuned


def work_out(
    selection: Selection, specs: Paths, target: PathLike, root: Path, find_tuned: FindTuned | None
) -> tuple[list[PlannedRun], list[Problem], list[MissingData], list[str]]:
    """Return the planned runs, warnings, the missing data and what was left out, by the code of the plugins."""
    from benchsuite.execution.plan import make_plan  # late, since it imports torch

    workspace = open_workspace(specs, target)
    registry = workspace.registry
    runs = resolve(selection, workspace.library, registry, _resolve_hardware, find_tuned=find_tuned)
    planned = make_plan(runs, registry, root)
    if is_own_process():
        keep_plan(planned, selection, specs, target, root, find_tuned)
    warned = warnings_of(selection, workspace.library, registry)
    return planned, warned, missing_data(planned, registry.datasets, root), registry.problems()


def tracks_elsewhere(planned: Sequence[PlannedRun], specs: Paths, target: PathLike) -> dict[str, tuple[str, ...]]:
    """Return a few tracks on which each rule of a plan works, those named like its first track first."""
    from benchsuite.execution.suggestions import tracks_for_rules  # late, since it imports torch

    first: dict[str, str] = {}
    for run in planned:
        first.setdefault(run.selected.spec.rule.name, run.selected.spec.track)
    workspace = open_workspace(specs, target)
    return tracks_for_rules(first, workspace.library, workspace.registry)


def _resolve_hardware(hardware: HardwareSpec) -> HardwareSpec:
    """Return this machine's hardware, or the spec unchanged if it gives the speed of hardware that is not here."""
    from benchsuite.training.device import resolve_hardware

    try:
        return resolve_hardware(hardware)
    except HardwareError:
        if hardware.sustained_tflops is None:
            raise
        return hardware
