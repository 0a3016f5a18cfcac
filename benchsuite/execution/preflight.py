"""Checks of all of a session's runs before the first starts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from benchsuite.errors import DataError
from benchsuite.execution.compatibility import RunWithShapes, infer_run_shapes
from benchsuite.execution.environment import environment_of
from benchsuite.execution.loading import DataLoader
from benchsuite.execution.plan import describe
from benchsuite.execution.planned_run import RefusedPair, refused_pairs
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import canonical_json
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks, require_world_size

logger = logging.getLogger("benchsuite.execution")


@dataclass(frozen=True)
class Preflight:
    """Result of the checks.

    Attributes:
        runs: runs that can be made, in order.
        refused: pairs of rule and network that cannot work, each once.

    """

    runs: tuple[RunWithShapes, ...]
    refused: tuple[RefusedPair, ...]


def check_runs(
    runs: Sequence[SelectedRun], registry: Registry, loader: DataLoader, ranks: Ranks = SINGLE_PROCESS
) -> Preflight:
    """Work out every network's shapes, leave out refused pairs, and load the data of all other runs.

    Raises:
        SpecError: if a network cannot be built for its data.
        DataError: if a data set is missing or damaged.
        HardwareError: if the session's processes cannot share the runs.
        PluginError: if a rule, an architecture or a diagnostic is not installed.

    """
    shape_of = partial(describe, registry=registry, data_root=loader.data_root, load=loader.load_resident)
    with_shapes = infer_run_shapes(runs, registry, shape_of)
    possible = tuple(run for run in with_shapes if not run.refused)
    for run in possible:
        spec = run.selected.spec
        require_world_size(spec, ranks, len(loader.load(spec.dataset).dataset.train_targets))
        for name in spec.diagnostics.names:
            registry.diagnostic(name)
        # Code is hashed once per process, and now: a file edited in the course of a session is not the code that runs.
        environment_of(registry, spec.rule.name, spec)
    return Preflight(possible, _refused(with_shapes, registry))


def runs_with_data(runs: Sequence[SelectedRun], loader: DataLoader) -> list[SelectedRun]:
    """Return the runs of the tracks whose data can be had; warn once per data set of the others.

    Raises:
        DataError: if there is none.

    """
    problems: dict[str, DataError] = {}
    tracks: dict[str, set[str]] = {}
    keys = [canonical_json(run.spec.dataset.model_dump(mode="json")) for run in runs]
    for run, key in zip(runs, keys, strict=True):
        if key not in tracks:  # read or looked for once per data set
            try:
                loader.load(run.spec.dataset)
            except DataError as error:
                problems[key] = error
        tracks.setdefault(key, set()).add(run.spec.track)
    usable = [run for run, key in zip(runs, keys, strict=True) if key not in problems]
    if problems and not usable:
        raise next(iter(problems.values()))
    for key, problem in problems.items():
        logger.warning("left out: %s: %s", ", ".join(sorted(tracks[key])), problem)
    return usable


def _refused(with_shapes: Sequence[RunWithShapes], registry: Registry) -> tuple[RefusedPair, ...]:
    if not any(run.refused for run in with_shapes):
        return ()
    # Imported and read only if a pair is refused.
    from benchsuite.execution.suggestions import fitting_tracks
    from benchsuite.specs.loading.library import SpecLibrary, builtin_folder

    library = SpecLibrary([builtin_folder()])
    return tuple(refused_pairs(with_shapes, partial(fitting_tracks, library=library, registry=registry)))
