"""Optimizers and learning rates: torch's own, the same for every rule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from benchsuite.credit.rule import Rule, parameter_groups
from benchsuite.networks.network import Network
from benchsuite.specs.models.protocol import (
    ConstantSchedule,
    CosineSchedule,
    OptimizerSpec,
    ProtocolSpec,
    Sgd,
    StepSchedule,
)

# Devices whose kernels update all of a parameter in one pass over memory.
FUSED_DEVICES = frozenset({"cpu", "cuda"})


def make_optimizer(spec: OptimizerSpec, network: Network, rule: Rule) -> torch.optim.Optimizer:
    """Return torch's optimizer of a spec over a network and the feedback weights its rule learns.

    Fused where torch has it so for their device. Elsewhere parameter by parameter: torch's ``foreach`` SGD with
    Nesterov momentum writes into ``.grad`` (torch 2.15), which a weight and its feedback weight may share.
    """
    groups = parameter_groups(network, rule, spec.learning_rate)
    how: dict[str, Any] = {"fused": groups[0]["params"][0].device.type in FUSED_DEVICES, "foreach": False}
    if isinstance(spec, Sgd):
        return torch.optim.SGD(
            groups,
            lr=spec.learning_rate,
            momentum=spec.momentum,
            nesterov=spec.nesterov,
            weight_decay=spec.weight_decay,
            **how,
        )
    kind = torch.optim.Adam if spec.kind == "adam" else torch.optim.AdamW
    return kind(
        groups,
        lr=spec.learning_rate,
        betas=(spec.beta1, spec.beta2),
        eps=spec.epsilon,
        weight_decay=spec.weight_decay,
        **how,
    )


def match_gradient_layouts(weights: Iterable[Tensor]) -> None:
    """Let every gradient lie in memory as its weight does; those that do already stay what they are.

    Autograd sees to that for what it accumulates; a rule may leave the transpose of a product. Torch's fused optimizers
    go through both in the order of memory: on a CPU they would give each weight another one's gradient without a word
    (torch 2.15).
    """
    for weight in weights:
        gradient = weight.grad
        if gradient is not None and gradient.stride() != weight.stride() and not _same_layout(gradient, weight):
            weight.grad = torch.empty_like(weight).copy_(gradient)


def _same_layout(gradient: Tensor, weight: Tensor) -> bool:
    """Whether strides agree but where an axis has one entry, whose stride means nothing."""
    pairs = zip(gradient.stride(), weight.stride(), weight.shape, strict=True)
    return all(own == other for own, other, size in pairs if size > 1)


def learning_rate_at(protocol: ProtocolSpec, epoch: int) -> float:
    """Return the learning rate of an epoch; epochs count from 0."""
    base, schedule = protocol.optimizer.learning_rate, protocol.schedule
    match schedule:
        case ConstantSchedule():
            return base
        case StepSchedule():
            return base * schedule.factor ** sum(epoch >= at for at in schedule.epochs)
        case CosineSchedule():
            progress = epoch / protocol.epochs
            floor = schedule.final_fraction
            return base * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the protocol's rate; each group takes its multiple of it."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["rate"]
