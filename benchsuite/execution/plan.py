"""The dry run: every run with its estimate, every refused pair with its reasons."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.data.cifar.files import PUBLISHED
from benchsuite.data.load import load_dataset
from benchsuite.data.prepared.files import PREPARED
from benchsuite.execution.estimate import Estimate, estimate
from benchsuite.execution.pairs import LaidOutRun, lay_out
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.dataset import (
    ArraysDataset,
    CifarDataset,
    DatasetSpec,
    DigitsDataset,
    ImagenetDataset,
    MnistDataset,
    SyntheticDataset,
)

if TYPE_CHECKING:
    from benchsuite.data.tensors import DecodedDataset


@dataclass(frozen=True)
class DataShape:
    """What planning needs to know of a data set."""

    input_shape: tuple[int, ...]
    classes: int
    train_examples: int
    size_bytes: int


@dataclass(frozen=True)
class PlannedRun:
    """One run with what it would take, or why it is refused."""

    selected: SelectedRun
    run_id: str
    estimate: Estimate | None
    """None where the run is refused."""
    refused: tuple[str, ...]
    """Why the rule cannot work in the network; empty if it can."""


def make_plan(runs: list[SelectedRun], registry: Registry, data_root: Path) -> list[PlannedRun]:
    """Estimate every run and check every pair of rule and network.

    Raises:
        SpecError: if a network cannot be built for its data.
        DataError: if a data set must be read to know its shape, and cannot.

    """
    laid_out = lay_out(runs, registry, lambda dataset: describe(dataset, registry, data_root))
    return [
        PlannedRun(run.selected, run_id(run.selected.spec), None if run.refused else _estimate(run), run.refused)
        for run in laid_out
    ]


def _estimate(run: LaidOutRun) -> Estimate:
    spec, data = run.selected.spec, run.data
    config = run.rule.Config.model_validate(spec.rule.config)
    about = run.outline, run.rule, config, spec.protocol, data.train_examples, data.size_bytes
    return estimate(*about, spec.hardware.world_size)


def describe(
    spec: DatasetSpec,
    registry: Registry,
    data_root: Path,
    load: Callable[[DatasetSpec], DecodedDataset] | None = None,
) -> DataShape:
    """Return a data set's shape, from the spec alone where that says it, so that a plan needs no download.

    Args:
        spec: which data set.
        registry: for plugins' readers.
        data_root: where data sets lie.
        load: reads a data set whose spec does not say its shape; from ``data_root`` if not given.

    """
    match spec:
        case DigitsDataset():
            shape, classes, train, test = (1, 8, 8), 10, 1797 - spec.test_examples, spec.test_examples
        case MnistDataset():
            shape, classes, train, test = (1, 28, 28), 10, 60_000, 10_000
        case CifarDataset():
            files = PUBLISHED[spec.kind]
            shape, classes, (train, test) = (3, 32, 32), files.classes, files.examples
        case ArraysDataset() if spec.path in PREPARED:
            made = PREPARED[spec.path]
            shape, classes, (train, test) = made.shape, made.classes, made.examples
        case ImagenetDataset():
            return _describe_imagenet(spec)
        case SyntheticDataset():
            shape, classes = (spec.channels, spec.height, spec.width), spec.classes
            train, test = spec.train_examples, spec.test_examples
        case _:
            dataset = load(spec) if load else load_dataset(spec, data_root, registry.datasets)
            size = sum(t.numel() * t.element_size() for t in (dataset.train_inputs, dataset.test_inputs))
            return DataShape(dataset.input_shape, dataset.classes, len(dataset.train_targets), size)
    train = min(train, spec.train_limit or train)
    test = min(test, spec.test_limit or test)
    return DataShape(shape, classes, train, (train + test) * math.prod(shape))


IMAGENET = (1_281_167, 50_000)
"""ILSVRC-2012's images of training and of validation."""


def _describe_imagenet(spec: ImagenetDataset) -> DataShape:
    """Nothing of it lies on the device but the batch at hand."""
    classes, train = 1000, IMAGENET[0]
    if spec.sample:
        classes, train = spec.sample.classes, spec.sample.classes * spec.sample.train_images
    return DataShape((3, spec.image_size, spec.image_size), classes, min(train, spec.train_limit or train), 0)
