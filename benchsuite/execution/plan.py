"""Plan of the runs, made without training: estimates, and reasons for refused pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchsuite.data.availability import size_on_paper
from benchsuite.data.images.streamed import StreamedDataset
from benchsuite.data.load import load_dataset
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import PluginError
from benchsuite.execution.compatibility import RunWithShapes, infer_run_shapes
from benchsuite.execution.planned_run import PlannedRun
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
