"""Optimizers and learning rates: torch's own, the same for every rule."""

from __future__ import annotations

import math
from typing import Any

import torch

from benchsuite.network.network import Network
from benchsuite.rule import Rule, parameter_groups
from benchsuite.spec.protocol import (
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
            groups, lr=spec.learning_rate, momentum=spec.momentum, nesterov=spec.nesterov,
            weight_decay=spec.weight_decay, **how,
        )  # fmt: skip
    kind = torch.optim.Adam if spec.kind == "adam" else torch.optim.AdamW
    return kind(
        groups, lr=spec.learning_rate, betas=(spec.beta1, spec.beta2), eps=spec.epsilon,
        weight_decay=spec.weight_decay, **how,
    )  # fmt: skip


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
