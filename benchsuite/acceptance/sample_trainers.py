"""Trainers of every rule on the conformance kit's small networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from benchsuite.acceptance.trainers import make_trainer
from benchsuite.conformance.samples.networks import SAMPLE_NETWORKS, SampleNetwork
from benchsuite.credit.traits import incompatibilities
from benchsuite.data.resident import ResidentData
from benchsuite.data.tensors import DecodedDataset
from benchsuite.specs.models.dataset import Normalization
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.step_choice import StepChoice, choose_step

if TYPE_CHECKING:
    from benchsuite.registry.manager import Registry
    from benchsuite.specs.models.hardware import StepMode
    from benchsuite.training.device import Device
    from benchsuite.training.trainer import Trainer

EXAMPLES, BATCH_SIZE, EPOCHS = 52, 12, 3
"""Four full batches and a shorter one per epoch."""


def pairs(registry: Registry) -> Iterator[tuple[str, SampleNetwork, bool]]:
    """Yield each rule with each sample network that it works in, and if the pair must be tried.

    These come first: for each rule a network of every form with convolutions, and one without, if it works in such. The
    others have half of the time.
    """
    # A subclass builds its network in a way of its own, which specs cannot ask for.
    samples = [
        sample for sample in SAMPLE_NETWORKS if type(sample) is SampleNetwork and len(sample.shapes.segments) > 2
    ]
    required: list[tuple[str, SampleNetwork, bool]] = []
    others: list[tuple[str, SampleNetwork, bool]] = []
    seen: set[tuple[str, str, bool]] = set()
    for sample in samples:
        for name, rule in sorted(registry.rules.items()):
            fitting = sample.for_losses(rule.traits.losses)
            if incompatibilities(rule.traits, fitting.shapes, fitting.criterion):
                continue
            kind = (name, *_form(sample))
            (others if kind in seen else required).append((name, fitting, kind not in seen))
            seen.add(kind)
    yield from (*required, *others)


def _form(sample: SampleNetwork) -> tuple[str, bool]:
    return sample.shapes.form, any(segment.map_kind == "conv2d" for segment in sample.shapes.segments)


def sample_trainer(
    rule: str, sample: SampleNetwork, device: Device, registry: Registry, optimizer: dict[str, Any], step: StepMode
) -> tuple[Trainer, StepChoice]:
    """Return a trainer that has begun, and the step that it takes."""
    batch = sample.batch(0, EXAMPLES)
    dataset = DecodedDataset(batch.inputs, batch.targets, batch.inputs, batch.targets, sample.classes)
    data = ResidentData(dataset, Normalization(mean=(0.0,), std=(1.0,)), device.torch_device)
    protocol = ProtocolSpec.model_validate(
        {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "optimizer": optimizer, "loss": sample.criterion}
    )
    trainer = make_trainer(sample.architecture, sample.shapes, data, protocol, device, registry, rule)
    trainer.begin()
    return trainer, choose_step(trainer, step)
