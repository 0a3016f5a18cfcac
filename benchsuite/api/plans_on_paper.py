"""Plan runs that were planned before without importing torch, which takes longer than everything else.

What plugins' code and the suite's have worked out of a run (its estimate, or why it is refused) is kept with the stored
catalogue, by the hash of the run's spec and the size of its data. The catalogue is used only as long as every file of
that code is as it was. Whatever is not on paper makes ``plan`` load plugins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchsuite.api.options import PathLike, Paths
from benchsuite.api.workspace import find_specs
from benchsuite.data.availability import size_on_paper
from benchsuite.errors import BenchsuiteError, HardwareError, Problem
from benchsuite.execution.planned_run import Estimate, PlannedRun
from benchsuite.registry.catalogue import Catalogue, keep_facts, stored_catalogue
from benchsuite.specs.hashing import run_id, sha256_of, spec_hash
from benchsuite.specs.loading.resolve import SelectedRun, Selection, resolve, warnings_of
from benchsuite.specs.loading.tuned_rows import FindTuned
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.processor import has_no_gpu

FROM_PLUGINS = "plugin"
"""The kind of data sets and networks that only a plugin's code knows."""


def plan_on_paper(
    selection: Selection, specs: Paths, target: PathLike, data_root: Path, find_tuned: FindTuned | None
) -> tuple[list[PlannedRun], list[Problem]] | None:
    """Return the planned runs of a selection and warnings, without torch.

    None if anything about them is not on paper, or if torch is there already. A wrong request is not on paper either:
    its messages come from the loaded plugins.
    """
    if "torch" in sys.modules or "TORCHELASTIC_RUN_ID" in os.environ:
        return None
    catalogue = stored_catalogue()
    if catalogue is None:
        return None
    resolved = _resolve(selection, specs, target, catalogue, find_tuned)
    if resolved is None:
        return None
    runs, warned = resolved
    planned = []
    for run, key in zip(runs, _keys(runs, data_root), strict=True):
        kept = None if key is None else catalogue.facts.get(key)
        if kept is None:
            return None
        estimate = None if kept["estimate"] is None else Estimate(**kept["estimate"])
        planned.append(PlannedRun(run, run_id(run.spec), estimate, tuple(kept["refused"])))
    return planned, warned


def keep_plan(
    planned: Sequence[PlannedRun],
    selection: Selection,
    specs: Paths,
    target: PathLike,
    data_root: Path,
    find_tuned: FindTuned | None,
) -> None:
    """Keep what was worked out, for plans to come; unknown work is left out, since its reason may pass."""
    keys = _keys([each.selected for each in planned], data_root)
    facts: dict[str, Any] = {
        key: {"estimate": each.estimate and asdict(each.estimate), "refused": list(each.refused)}
        for each, key in zip(planned, keys, strict=True)
        if key is not None and not each.unknown
    }
    keep_facts(facts)
    if catalogue := stored_catalogue():
        # Resolving on paper needs the rules' settings with their defaults, which the catalogue keeps as they are asked.
        _resolve(selection, specs, target, catalogue, find_tuned)


def _resolve(
    selection: Selection, specs: Paths, target: PathLike, catalogue: Catalogue, find_tuned: FindTuned | None
) -> tuple[list[SelectedRun], list[Problem]] | None:
    try:
        library = find_specs(specs, target, catalogue)
        runs = resolve(selection, library, catalogue, _resolve_hardware, find_tuned=find_tuned)
        warned = warnings_of(selection, library, catalogue)
    except BenchsuiteError:
        return None
    catalogue.store()
    return runs, warned


def _keys(runs: Sequence[SelectedRun], data_root: Path) -> Iterator[str | None]:
    """Yield the key of each run's facts, the same for all its seeds; None if a plugin's code decides them."""
    known: dict[tuple[object, ...], str | None] = {}
    for run in runs:
        spec = run.spec
        # Seeds of one row share the parts of their specs.
        row = (spec.track, spec.tier, spec.rule.shown_as, *map(id, (spec.protocol, spec.rule, spec.architecture)))
        if row not in known:
            known[row] = _key(spec, data_root)
        yield known[row]


def _key(spec: RunSpec, data_root: Path) -> str | None:
    networks = [spec.architecture, spec.pretraining.architecture]
    if FROM_PLUGINS in {spec.dataset.kind, *(network.kind for network in networks if network is not None)}:
        return None
    size = size_on_paper(spec.dataset, data_root)
    return None if size is None else sha256_of(f"{spec_hash(spec.model_copy(update={'seed': 0}))} {size}")


def _resolve_hardware(hardware: HardwareSpec) -> HardwareSpec:
    """Return hardware that is certainly the processor; else it takes torch to know."""
    if hardware.memory_gib is None and (hardware.device == "cpu" or (hardware.device == "auto" and has_no_gpu())):
        return hardware.model_copy(update={"device": "cpu"})
    raise HardwareError("it takes torch to know the devices of this machine")
