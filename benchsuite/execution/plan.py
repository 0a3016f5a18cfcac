"""Plan of the runs, made without training: estimates, and reasons for refused pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchsuite.data.availability import availability, size_on_paper
from benchsuite.data.images.streamed import StreamedDataset
from benchsuite.data.load import load_dataset
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import PluginError
from benchsuite.execution.compatibility import RunWithShapes, infer_run_shapes
from benchsuite.execution.estimate import Estimate
from benchsuite.execution.run_estimate import estimate_run
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.dataset import DatasetSpec, ResidentBase


@dataclass(frozen=True)
class DataShape:
    """Shape and size of a data set, as planning needs them."""

    input_shape: tuple[int, ...]
    classes: int
    train_examples: int
    size_bytes: int


@dataclass(frozen=True)
class PlannedRun:
    """One run with its estimated cost, or the reasons why it is refused."""

    selected: SelectedRun
    run_id: str
    estimate: Estimate | None
    """None if the run is refused, or its work is unknown."""
    refused: tuple[str, ...]
    """Reasons why the rule cannot work in the network; empty if it can."""
    unknown: str = ""
    """The reason why the run's work is unknown: an error in the rule's own ``credit_work``, with its origin."""


@dataclass(frozen=True)
class MissingData:
    """A data set that is not at hand, and the runs that wait for it."""

    dataset: str
    runs: int
    """Number of runs that could not start, or would first download it."""
    detail: str
    """The missing files, and how to get them."""

    def __str__(self) -> str:
        """Return all in one line."""
        return f"data set '{self.dataset}' is not at hand for {self.runs} run{'s' * (self.runs != 1)}: {self.detail}"


def missing_data(planned: Sequence[PlannedRun], registry: Registry, data_root: Path) -> list[MissingData]:
    """Return the data sets that runs need and that are not at hand; their files are not read."""
    found: dict[tuple[str, str], int] = {}
    datasets = {run.selected.spec.track: run.selected.spec.dataset for run in planned}  # all runs of a track have one
    by_track = {track: availability(spec, data_root, registry.datasets) for track, spec in datasets.items()}
    for run in planned:
        spec, looked = run.selected.spec.dataset, by_track[run.selected.spec.track]
        if looked.found or run.refused:
            continue
        fetch = f"; `benchsuite data fetch {spec.name}` gets it now" if looked.is_published else ""
        key = spec.name, looked.detail + fetch
        found[key] = found.get(key, 0) + 1
    return [MissingData(name, runs, detail) for (name, detail), runs in found.items()]


def make_plan(runs: list[SelectedRun], registry: Registry, data_root: Path) -> list[PlannedRun]:
    """Estimate every run and check every pair of rule and network.

    Raises:
        SpecError: if a network cannot be built for its data.
        DataError: if a data set must be read to know its shape, and cannot be read.

    """
    with_shapes = infer_run_shapes(runs, registry, lambda dataset: describe(dataset, registry, data_root))
    return [_planned(run, registry) for run in with_shapes]


def _planned(run: RunWithShapes, registry: Registry) -> PlannedRun:
    selected, name = run.selected, run_id(run.selected.spec)
    if run.refused:
        return PlannedRun(selected, name, None, run.refused)
    try:
        return PlannedRun(selected, name, estimate_run(run, registry), ())
    except PluginError as error:
        origin = registry.origins["rule", selected.spec.rule.name]
        return PlannedRun(selected, name, None, (), f"{error} (provided by {origin})")


def describe(
    spec: DatasetSpec,
    registry: Registry,
    data_root: Path,
    load: Callable[[DatasetSpec], DecodedDataset | StreamedDataset] | None = None,
) -> DataShape:
    """Return a data set's shape, from the spec alone if possible, so that a plan needs no download.

    Args:
        spec: the data set.
        registry: provides plugins' readers.
        data_root: folder of data sets.
        load: reads a data set whose spec does not give its shape; None to read it from ``data_root``.

    """
    size = size_on_paper(spec, data_root, registry.datasets)
    if size is None:
        dataset = load(spec) if load else load_dataset(spec, data_root, registry.datasets)
        resident = (
            sum(t.numel() * t.element_size() for t in (dataset.train_inputs, dataset.test_inputs))
            if isinstance(dataset, DecodedDataset)
            else 0
        )
        return DataShape(dataset.input_shape, dataset.classes, len(dataset.train_targets), resident)
    drawn = spec.drawn_examples if isinstance(spec, ResidentBase) else 0
    train = min(size.train - drawn, spec.train_limit or size.train)
    test = min(size.test, spec.test_limit or size.test)
    # A streamed data set has only the current batch on the device.
    held_out = drawn or getattr(spec, "validation_examples", None) or 0
    resident = (train + test + held_out) * math.prod(size.input_shape) if isinstance(spec, ResidentBase) else 0
    return DataShape(size.input_shape, size.classes, train, resident)
