"""The dry run: every run with its estimate, every refused pair with its reasons."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from benchsuite.credit.rule import incompatibilities
from benchsuite.data.availability import size_on_paper
from benchsuite.data.load import load_dataset
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import Problem, ShapeError, SpecError
from benchsuite.execution.estimate import Estimate, estimate
from benchsuite.networks.run_networks import outline_of_run
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import run_id
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.dataset import DatasetSpec, ResidentBase


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
    planned = []
    problems: dict[str, None] = {}
    shapes: dict[str, DataShape] = {}
    for run in runs:
        spec = run.spec
        key = spec.dataset.model_dump_json()
        if key not in shapes:
            shapes[key] = describe(spec.dataset, registry, data_root)
        data = shapes[key]
        rule = registry.rule(spec.rule.name)
        try:
            outline = outline_of_run(spec, data.input_shape, data.classes, registry.architectures)
        except ShapeError as error:
            problems[f"architecture '{spec.architecture.name}' on {spec.dataset.name}: {error}"] = None
            continue
        refused = tuple(incompatibilities(rule.traits, outline))
        config = rule.Config.model_validate(spec.rule.config)
        about = outline, rule, config, spec.protocol, data.train_examples, data.size_bytes, spec.hardware.world_size
        planned.append(PlannedRun(run, run_id(spec), None if refused else estimate(*about), refused))
    if problems:
        raise SpecError([Problem(message) for message in problems])
    return planned


def describe(spec: DatasetSpec, registry: Registry, data_root: Path) -> DataShape:
    """Return a data set's shape, from the spec alone where that says it, so that a plan needs no download."""
    size = size_on_paper(spec, data_root, registry.datasets)
    if size is None:
        dataset = load_dataset(spec, data_root, registry.datasets)
        held = (
            sum(t.numel() * t.element_size() for t in (dataset.train_inputs, dataset.test_inputs))
            if isinstance(dataset, DecodedDataset)
            else 0
        )
        return DataShape(dataset.input_shape, dataset.classes, len(dataset.train_targets), held)
    train = min(size.train, spec.train_limit or size.train)
    test = min(size.test, spec.test_limit or size.test)
    # Nothing of a streamed data set lies on the device but the batch at hand.
    held = (train + test) * math.prod(size.input_shape) if isinstance(spec, ResidentBase) else 0
    return DataShape(size.input_shape, size.classes, train, held)
