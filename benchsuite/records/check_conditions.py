"""Check a run's conditions: seeds, data, network, hardware and diagnostics must be those that its spec leads to."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from benchsuite.errors import ShapeError
from benchsuite.networks.shapes.infer import infer_shapes
from benchsuite.records.model import DataUsed, NetworkUsed, RunRecord
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.dataset import (
    ArraysDataset,
    CifarDataset,
    DatasetSpec,
    DigitsDataset,
    ImageFolderDataset,
    ImagenetDataset,
    MnistDataset,
    SyntheticDataset,
)
from benchsuite.specs.seeds import derive_seeds

DIGITS_EXAMPLES = 1797
CIFAR_CLASSES = {"cifar10": 10, "cifar100": 100}


def conditions(record: RunRecord) -> Iterator[str]:
    """Yield what contradicts the spec among the conditions under which a run was made."""
    yield from _seeds(record)
    if record.data is not None:
        yield from _data(record.spec.dataset, record.data)
    if record.network is not None:
        yield from _network(record, record.network)
    yield from _hardware(record)
    yield from _diagnostics(record)
    if not record.command.strip():
        yield "command: empty"


def _seeds(record: RunRecord) -> Iterator[str]:
    expected = derive_seeds(record.spec.seed)
    for axis, seed in record.seeds.items():
        if axis not in expected:
            yield f"seeds.{axis}: no such random stream"
        elif seed != expected[axis]:
            yield f"seeds.{axis}: {seed}, but seed {record.spec.seed} gives {expected[axis]}"
    # Records made before there was augmentation lack its stream.
    for axis in sorted(expected.keys() - record.seeds.keys() - {"augmentation"}):
        yield f"seeds.{axis}: missing"


def _data(spec: DatasetSpec, data: DataUsed) -> Iterator[str]:
    for part in ("train", "test"):
        number, limit = getattr(data, f"{part}_examples"), getattr(spec, f"{part}_limit")
        if limit is not None and number > limit:
            yield f"data.{part}_examples: {number}, but the spec's {part}_limit is {limit}"
    for field, expected in _expected_data(spec, data).items():
        found = getattr(data, field)
        if field.endswith("_examples") and isinstance(expected, int):
            limit = getattr(spec, field.replace("_examples", "_limit"))
            expected = min(_left_of(spec, field, expected), limit or expected)
        if found != expected:
            yield f"data.{field}: {found}, but {spec.name} has {expected}"


def _left_of(spec: DatasetSpec, field: str, examples: int) -> int:
    """Return the number of examples without those that a spec holds out or withholds."""
    if isinstance(spec, ImagenetDataset):
        return examples
    if field == "test_examples":
        return 0 if spec.withhold_test else examples
    return examples - spec.drawn_examples


def _expected_data(spec: DatasetSpec, data: DataUsed) -> Mapping[str, object]:
    """Return the facts about a data set that its spec, or its publication, determines."""
    match spec:
        case DigitsDataset():
            rest = DIGITS_EXAMPLES - spec.test_examples
            sizes = {"train_examples": rest, "test_examples": spec.test_examples, "classes": 10}
            return {**sizes, "input_shape": (1, 8, 8)}
        case SyntheticDataset():
            sizes = {name: getattr(spec, name) for name in ("train_examples", "test_examples", "classes")}
            return {**sizes, "input_shape": (spec.channels, spec.height, spec.width)}
        case MnistDataset() if data.canonical:
            sizes = {"train_examples": 60_000, "test_examples": 10_000, "classes": 10}
            return {**sizes, "input_shape": (1, 28, 28)}
        case CifarDataset() if data.canonical:
            sizes = {"train_examples": 50_000, "test_examples": 10_000, "classes": CIFAR_CLASSES[spec.kind]}
            return {**sizes, "input_shape": (3, 32, 32)}
        case ArraysDataset() if spec.classes is not None:
            return {"classes": spec.classes}
        case ImageFolderDataset():
            return {"input_shape": (spec.channels, spec.height, spec.width)}
        case ImagenetDataset():
            return {"input_shape": (3, spec.image_size, spec.image_size)}
    return {}


def _network(record: RunRecord, network: NetworkUsed) -> Iterator[str]:
    segments = network.segments
    if not segments or len(set(segments)) < len(segments):
        yield "network.segments: none, or one of them twice"
    if strangers := [name for name in network.taken_over if name not in segments]:
        yield f"network.taken_over: {', '.join(strangers)}, not among the segments"
    architecture, data = record.spec.architecture, record.data
    if data is None or not isinstance(architecture, ChainArchitecture):
        return  # other networks' sizes need torch, or their plugin
    try:
        shapes = infer_shapes(architecture, data.input_shape, data.classes)
    except (ShapeError, ValueError, IndexError) as error:
        yield f"network: the spec's network cannot be built for the data: {error}"
        return
    if network.parameters != shapes.parameters:
        yield f"network.parameters: {network.parameters}, but the spec's network has {shapes.parameters}"
    if segments != (names := tuple(segment.name for segment in shapes.segments)):
        yield f"network.segments: {', '.join(segments)}, but the spec's network has {', '.join(names)}"


def _hardware(record: RunRecord) -> Iterator[str]:
    wanted, used = record.spec.hardware, record.hardware
    pairs = [("device", wanted.device), ("precision", wanted.precision), ("threads", wanted.threads)]
    if record.status == "completed":
        pairs.append(("world_size", wanted.world_size))
    for field, asked in pairs:
        found = getattr(used, field)
        if asked not in {None, "auto"} and found != asked:
            yield f"hardware.{field}: {found}, but the spec asks for {asked}"
    if (wanted.step == "eager") > (used.step == "eager"):
        yield f"hardware.step: {used.step}, but the spec asks for eager"
    if record.epochs and wanted.step == "recorded" and used.step == "eager" and not used.step_reason:
        yield "hardware.step_reason: empty, but the step is eager and the spec asks for recorded"
    if used.compiled not in {"none", wanted.compile}:
        yield f"hardware.compiled: {used.compiled}, but the spec asks for {wanted.compile}"
    if wanted.hardware_class and used.hardware_class != wanted.hardware_class:
        yield f"hardware.hardware_class: {used.hardware_class}, but the spec names it {wanted.hardware_class}"


def _diagnostics(record: RunRecord) -> Iterator[str]:
    wanted = record.spec.diagnostics
    names, seen = frozenset(wanted.names), set()
    for value in record.diagnostics:
        place = (value.diagnostic, value.segment, value.epoch)
        if value.diagnostic not in names:
            yield f"diagnostics: {value.diagnostic}, for which the spec does not ask"
            return
        if value.epoch > len(record.epochs):
            yield f"diagnostics: {value.diagnostic} after epoch {value.epoch} of {len(record.epochs)}"
            return
        if place in seen:
            yield f"diagnostics: {value.diagnostic} of {value.segment} after epoch {value.epoch} twice"
            return
        seen.add(place)
    yield from _step_diagnostics(record, names)


def _step_diagnostics(record: RunRecord, names: frozenset[str]) -> Iterator[str]:
    every = record.spec.diagnostics.every_steps
    steps = math.inf
    if record.data is not None:
        protocol = record.spec.protocol
        steps = protocol.epochs * protocol.steps_per_epoch(record.data.train_examples)
    for value in record.step_diagnostics:
        if value.diagnostic not in names or every is None or value.step % every or value.step > steps:
            yield f"step_diagnostics: {value.diagnostic} at step {value.step}, for which the spec does not ask"
            return
