"""torch's optimizers, the same for every rule."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from benchsuite.credit.parameters import parameter_groups
from benchsuite.credit.rule import Rule
from benchsuite.networks.network import Network
from benchsuite.specs.learning_rate import learning_rate_at as learning_rate_at
from benchsuite.specs.models.protocol import OptimizerSpec, Sgd

# Devices for which torch has fused optimizers: one pass over memory per parameter.
FUSED_DEVICES = frozenset({"cpu", "cuda"})


def make_optimizer(spec: OptimizerSpec, network: Network, rule: Rule) -> torch.optim.Optimizer:
    """Return the spec's torch optimizer for a network's parameters and the feedback weights that its rule learns.

    Fused if torch supports that on their device. Otherwise one parameter at a time: torch's ``foreach`` SGD with
    Nesterov momentum writes into ``.grad`` (torch 2.15), which a weight and its feedback weight may share.
    """
    groups = parameter_groups(network, rule, spec.learning_rate, spec.rate_of)
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
    """Give every gradient the memory layout of its weight; a gradient that has it already stays the same tensor.

    Autograd does so for the gradients that it accumulates, but a rule may leave the transpose of a product. torch's
    fused optimizers read both in memory order: on a CPU they would silently give each weight the gradient of another
    one (torch 2.15).
    """
    for weight in weights:
        gradient = weight.grad
        if gradient is not None and gradient.stride() != weight.stride() and not _same_layout(gradient, weight):
            weight.grad = torch.empty_like(weight).copy_(gradient)


def _same_layout(gradient: Tensor, weight: Tensor) -> bool:
    """Return True if all strides agree; those of axes with one entry have no meaning and are ignored."""
    pairs = zip(gradient.stride(), weight.stride(), weight.shape, strict=True)
    return all(own == other for own, other, size in pairs if size > 1)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Set the protocol's learning rate; each parameter group gets its own multiple of it."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["rate"]
