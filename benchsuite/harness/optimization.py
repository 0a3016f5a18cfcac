"""Optimizers and learning rates: torch's own, the same for every rule."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

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


def make_optimizer(spec: OptimizerSpec, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """Return torch's optimizer of a spec, fused where torch has it so for the parameters' device."""
    parameters = list(parameters)
    fused = parameters[0].device.type in FUSED_DEVICES
    if isinstance(spec, Sgd):
        return torch.optim.SGD(
            parameters, lr=spec.learning_rate, momentum=spec.momentum, nesterov=spec.nesterov,
            weight_decay=spec.weight_decay, fused=fused,
        )  # fmt: skip
    kind = torch.optim.Adam if spec.kind == "adam" else torch.optim.AdamW
    return kind(
        parameters, lr=spec.learning_rate, betas=(spec.beta1, spec.beta2), eps=spec.epsilon,
        weight_decay=spec.weight_decay, fused=fused,
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
    """Set the rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
