"""Part ``capture``: every installed rule on small networks of every form, recorded and compared with eager steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from benchsuite.acceptance.parts import PartRequest, Report, described
from benchsuite.acceptance.sample_trainers import EPOCHS, pairs, sample_trainer
from benchsuite.errors import PartFailedError
from benchsuite.records.selftest import CapturedStep
from benchsuite.registry.manager import Registry, installed_registry
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.training.device import Device, open_device

if TYPE_CHECKING:
    from benchsuite.conformance.samples.networks import SampleNetwork

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
        PartFailedError: if numbers differ, CUDA refuses a step that the check allows, or time ran out too early.

    """
    device = open_device(HardwareSpec(name="selftest", device=request.device, threads=1))
    registry = installed_registry()
    problems, left, half = 0, 0, request.left_s() / 2
    for number, (rule, sample, is_required) in enumerate(pairs(registry)):
        if request.left_s() < (0 if is_required else half):
            left += is_required
            continue
        row = compare(rule, sample, device, registry, OPTIMIZERS[number % len(OPTIMIZERS)])
        report(row)
        problems += row.is_problem
    found = [f"{problems} rows have a problem"] if problems else []
    found += (
        [f"time ran out before {left} of the pairs of rule and network that must be tried; give more --minutes"]
        if left
        else []
    )
    if found:
        raise PartFailedError("; ".join(found))


def compare(
    rule: str, sample: SampleNetwork, device: Device, registry: Registry, optimizer: dict[str, Any]
) -> CapturedStep:
    """Train twice from the same start, with eager and with recorded steps, and compare all state."""
    tolerance = TOLERANCE[device.torch_device.type]
    common: dict[str, Any] = {"rule": rule, "network": sample.name, "form": sample.shapes.form, "tolerance": tolerance}
    try:
        recorded, choice = sample_trainer(rule, sample, device, registry, optimizer, "recorded")
        if choice.step == "eager":
            # The check of the step found nothing, and CUDA refuses it all the same.
            refused = choice.reason.startswith("the capture failed")
            return CapturedStep(**common, step="eager", steps=0, reason=choice.reason, is_problem=refused)
        eager, _ = sample_trainer(rule, sample, device, registry, optimizer, "eager")
        for _ in range(EPOCHS):
            recorded.train_epoch()
            eager.train_epoch()
        difference = largest_difference(recorded.state(), eager.state())
    except Exception as error:
        return CapturedStep(**common, step="eager", steps=0, reason=described(error), is_problem=True)
    differs = not difference <= tolerance
    return CapturedStep(
        **common,
        step=choice.step,
        steps=EPOCHS * eager.steps_per_epoch,
        difference=difference if math.isfinite(difference) else None,
        reason="differs from eager steps" if differs else "",
        is_problem=differs,
    )


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
