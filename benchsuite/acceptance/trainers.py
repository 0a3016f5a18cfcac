"""Trainers that the parts of the self-test measure, and networks with data of MNIST's and CIFAR's shapes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.data.load import load_dataset
from benchsuite.data.open import open_data
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.results.model import BASELINE_RULE
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.models.dataset import Normalization, SyntheticDataset
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.specs.models.track import RuleSpec
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.seeds import derive_seeds

if TYPE_CHECKING:
    from benchsuite.data.source import TrainingData
    from benchsuite.networks.shapes.network_shapes import NetworkShapes
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.models.architecture import ArchitectureSpec
    from benchsuite.training.device import Device
    from benchsuite.training.trainer import Trainer

BATCH_SIZE = 128
CLASSES = 10

PROTOCOL = ProtocolSpec.model_validate(
    {
        "epochs": 1,
        "batch_size": BATCH_SIZE,
        "last_batch": "drop",
        "optimizer": {"kind": "adam", "learning_rate": 3e-4},
    }
)


def architecture_named(name: str) -> ArchitectureSpec:
    """Return one of the suite's architectures."""
    plain = SpecLibrary([builtin_folder()]).load("architectures", name).plain()
    architecture: ArchitectureSpec = adapter_of("architecture").validate_python({**plain, "name": name})
    return architecture


@dataclass(frozen=True)
class MeasuredNetwork:
    """A network of the suite, and the images that it learns.

    Attributes:
        name: of the architecture.
        image_shape: channels, height and width.

    """

    name: str
    image_shape: tuple[int, int, int]

    @cached_property
    def architecture(self) -> ArchitectureSpec:
        """The suite's architecture of this name."""
        return architecture_named(self.name)

    @cached_property
    def shapes(self) -> NetworkShapes:
        """The network's shapes."""
        return shapes_of(self.architecture, self.image_shape, CLASSES)

    def data(self, examples: int, device: Device) -> TrainingData:
        """Return random images on a device."""
        channels, height, width = self.image_shape
        spec = SyntheticDataset(
            name="selftest",
            kind="synthetic",
            train_examples=examples,
            test_examples=1,
            channels=channels,
            height=height,
            width=width,
            classes=CLASSES,
            normalization=Normalization(mean=(0.5,), std=(0.5,)),
        )
        return open_data(load_dataset(spec, Path()), spec, device.torch_device)


DENSE = MeasuredNetwork("mnist-fc", (1, 28, 28))
CONV = MeasuredNetwork("core-cifar-conv", (3, 32, 32))
MEASURED = (DENSE, CONV)


def make_trainer(
    architecture: ArchitectureSpec,
    shapes: NetworkShapes | None,
    data: TrainingData,
    protocol: ProtocolSpec,
    device: Device,
    registry: Registry,
    rule: str = BASELINE_RULE,
) -> Trainer:
    """Return a trainer that is warmed up; two of the same arguments have the same weights and draw the same numbers."""
    spec = RuleSpec(name=rule, config=registry.rule_config(rule, {}))
    parts = TrainingSpecs(architecture, protocol, spec, derive_seeds(0))
    trainer = assemble(parts, data, device, registry, shapes=shapes)
    trainer.warm_up()
    return trainer
