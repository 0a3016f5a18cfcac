"""Part ``capture``: every installed rule on small networks of every form, recorded and compared with eager steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from benchsuite.acceptance.parts import PartFailedError, PartRequest, Report
from benchsuite.acceptance.trainers import make_trainer
from benchsuite.conformance.samples.networks import SAMPLE_NETWORKS, SampleNetwork
from benchsuite.credit.traits import incompatibilities
from benchsuite.data.resident import ResidentData
from benchsuite.data.tensors import DecodedDataset
from benchsuite.records.selftest import CapturedStep
from benchsuite.registry.manager import Registry, installed_registry
from benchsuite.specs.models.dataset import Normalization
from benchsuite.specs.models.hardware import HardwareSpec, StepMode
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.device import Device, open_device
from benchsuite.training.step_choice import StepChoice, choose_step

if TYPE_CHECKING:
    from benchsuite.training.trainer import Trainer

EXAMPLES, BATCH_SIZE, EPOCHS = 52, 12, 3
"""Four full batches and a shorter one per epoch."""

TOLERANCE = {"cpu": 0.0, "cuda": 1e-4}
"""Largest difference that is allowed. On CUDA, some kernels add in an order that changes from call to call."""

LEAST_SCALE = 0.01
"""Differences are relative to a tensor's largest value, or to this if that is smaller."""

OPTIMIZERS: tuple[dict[str, Any], ...] = (
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    {"kind": "adam", "learning_rate": 0.01},
)


def measure(request: PartRequest, report: Report) -> None:
    """Report a row per rule and network that it works in.

    Raises:
        PartFailedError: if numbers differ, a step that should be capturable is not, or time ran out before all that must be tried.

    """
    device = open_device(HardwareSpec(name="selftest", device=request.device, threads=1))
    registry = installed_registry()
    problems, left = 0, 0
    for number, (rule, sample, is_required) in enumerate(pairs(registry)):
        if request.left_s() < 0:
            left += is_required
            continue
        row = compare(rule, sample, device, registry, OPTIMIZERS[number % len(OPTIMIZERS)])
        report(row)
        problems += row.is_problem
    found = [f"{problems} rows have a problem"] if problems else []
    found += [f"time ran out before {left} of the pairs of rule and network that must be tried"] if left else []
    if found:
        raise PartFailedError("; ".join(found))


def pairs(registry: Registry) -> Iterator[tuple[str, SampleNetwork, bool]]:
    """Yield each rule with each sample network that it works in, and if the pair must be tried.

    These come first: a network of every form with convolutions, and one without. The others are tried if time allows.
    """
    # A subclass builds its network in a way of its own, which specs cannot ask for.
    samples = [
        sample for sample in SAMPLE_NETWORKS if type(sample) is SampleNetwork and len(sample.shapes.segments) > 2
    ]
    first = {_form(sample): sample for sample in reversed(samples)}
    required = [sample for sample in samples if sample in first.values()]
    for sample in (*required, *(sample for sample in samples if sample not in required)):
        for name, rule in sorted(registry.rules.items()):
            fitting = sample.for_losses(rule.traits.losses)
            if not incompatibilities(rule.traits, fitting.shapes, fitting.criterion):
                yield name, fitting, sample in required


def _form(sample: SampleNetwork) -> tuple[str, bool]:
    return sample.shapes.form, any(segment.map_kind == "conv2d" for segment in sample.shapes.segments)


def compare(
    rule: str, sample: SampleNetwork, device: Device, registry: Registry, optimizer: dict[str, Any]
) -> CapturedStep:
    """Train twice from the same start, with eager and with recorded steps, and compare all state."""
    tolerance = TOLERANCE[device.torch_device.type]
    common: dict[str, Any] = {"rule": rule, "network": sample.name, "form": sample.shapes.form, "tolerance": tolerance}
    try:
        recorded, choice = _trainer(rule, sample, device, registry, optimizer, "recorded")
        if choice.step == "eager":
            # The check of the step found nothing, and CUDA refuses it all the same.
            refused = choice.reason.startswith("the capture failed")
            return CapturedStep(**common, step="eager", steps=0, reason=choice.reason, is_problem=refused)
        eager, _ = _trainer(rule, sample, device, registry, optimizer, "eager")
        for _ in range(EPOCHS):
            recorded.train_epoch()
            eager.train_epoch()
        difference = largest_difference(recorded.state(), eager.state())
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        reason = f"{type(error).__name__}: {lines[0][:200]}"
        return CapturedStep(**common, step="eager", steps=0, reason=reason, is_problem=True)
    differs = not difference <= tolerance
    return CapturedStep(
        **common,
        step=choice.step,
        steps=EPOCHS * eager.steps_per_epoch,
        difference=difference if math.isfinite(difference) else None,
        reason="differs from eager steps" if differs else "",
        is_problem=differs,
    )


def _trainer(
    rule: str, sample: SampleNetwork, device: Device, registry: Registry, optimizer: dict[str, Any], step: StepMode
) -> tuple[Trainer, StepChoice]:
    batch = sample.batch(0, EXAMPLES)
    dataset = DecodedDataset(batch.inputs, batch.targets, batch.inputs, batch.targets, sample.classes)
    data = ResidentData(dataset, Normalization(mean=(0.0,), std=(1.0,)), device.torch_device)
    protocol = ProtocolSpec.model_validate(
        {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "optimizer": optimizer, "loss": sample.criterion}
    )
    trainer = make_trainer(sample.architecture, sample.shapes, data, protocol, device, registry, rule)
    trainer.begin()
    return trainer, choose_step(trainer, step)


def largest_difference(first: Any, second: Any) -> float:
    """Return the largest relative difference of two states; infinite if anything but floats differs."""
    ours, theirs = tree_leaves(first), tree_leaves(second)
    if len(ours) != len(theirs):
        return math.inf
    return max((_difference(a, b) for a, b in zip(ours, theirs, strict=True)), default=0.0)


def _difference(first: Any, second: Any) -> float:
    if not (isinstance(first, Tensor) and isinstance(second, Tensor)):
        return 0.0 if first == second else math.inf
    if first.shape != second.shape or first.dtype != second.dtype:
        return math.inf
    if torch.equal(first, second) or torch.allclose(first, second, 0, 0, equal_nan=True):
        return 0.0
    if not first.is_floating_point():
        return math.inf
    ours, theirs = first.double(), second.double()
    found = float((ours - theirs).abs().max()) / max(float(theirs.abs().max()), LEAST_SCALE)
    return found if math.isfinite(found) else math.inf
