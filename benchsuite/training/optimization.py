"""torch's optimizers, the same for every rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

    On CUDA the learning rate is a tensor on the device and torch's ``capturable`` is set where it exists, so that a
    captured step reads the epoch's learning rate; an eager step there uses the same, and so has the same numbers.
    """
    groups = parameter_groups(network, rule, spec.learning_rate, spec.rate_of)
    device = groups[0]["params"][0].device
    how: dict[str, Any] = {"fused": device.type in FUSED_DEVICES, "foreach": False}
    if device.type == "cuda":
        _put_learning_rates_on(device, groups)
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
    if device.type == "cuda":
        how["capturable"] = True
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
    """Set the protocol's learning rate; each parameter group gets its own multiple of it.

    A learning rate on the device is written in place, where a captured step reads it.
    """
    for group in optimizer.param_groups:
        own = learning_rate * group["rate"]
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(own)
        else:
            group["lr"] = own


def load_optimizer_state(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a state that ``optimizer.state_dict`` returned, on whatever device it was saved."""
    optimizer.load_state_dict(state)
    device = optimizer.param_groups[0]["params"][0].device
    if device.type == "cuda":
        # torch moves the state of weights, not the options of groups.
        _put_learning_rates_on(device, optimizer.param_groups)
    else:
        for group in optimizer.param_groups:
            group["lr"] = float(group["lr"])


def fill_missing_state(optimizer: torch.optim.Optimizer, like: Mapping[Tensor, Mapping[str, Tensor]]) -> None:
    """Give weights that the optimizer has not updated yet the state that it would start from: zeros.

    torch's SGD, Adam and AdamW make a weight's state at its first update; from zeros that update is the same. A
    captured step needs the state to be there before.

    Args:
        optimizer: SGD, Adam or AdamW.
        like: the state after an update, by weight.

    """
    for weight, entries in like.items():
        there = optimizer.state.get(weight, {})
        optimizer.state[weight] = {name: there.get(name, torch.zeros_like(value)) for name, value in entries.items()}


def _put_learning_rates_on(device: torch.device, groups: Iterable[dict[str, Any]]) -> None:
    for group in groups:
        group["lr"] = torch.tensor(float(group["lr"]), dtype=torch.float32, device=device)
