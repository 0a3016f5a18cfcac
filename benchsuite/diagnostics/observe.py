"""Observe the credit at each segment and the resulting gradients, under any rule, without changing any state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchsuite.credit import propagated_credit, record_vector_forward
from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.credit.tape import CreditPoint as CreditPoint
from benchsuite.networks.network import Network


@contextmanager
def observed_credit(network: Network, at: CreditPoint) -> Iterator[dict[str, Tensor]]:
    """Collect the cotangent that arrives at each segment while the block assigns credit.

    If autograd passes a cotangent through a segment, tensor hooks see it. If a tape computes the gradients itself, it
    calls the network's ``credit_observer``.

    Args:
        network: the network whose segments are watched.
        at: 'output' is after norm and nonlinearity, without their derivative; 'pre_activation' is the linear map's
            output, with the derivative.

    """
    credit: dict[str, Tensor] = {}
    modules = network.segments if at == "output" else network.maps

    def keep(name: str, cotangent: Tensor) -> None:
        credit[name] = cotangent.detach().clone()

    def watch(name: str) -> Callable[[Any, Any, Tensor], None]:
        def on_forward(_module: Any, _inputs: Any, output: Tensor) -> None:
            if output.requires_grad:
                output.register_hook(lambda cotangent: keep(name, cotangent))  # type: ignore[no-untyped-call]

        return on_forward

    handles = [module.register_forward_hook(watch(name)) for name, module in modules.items()]
    earlier = network.credit_observer
    network.credit_observer = lambda name, output, at_map: keep(name, output if at == "output" else at_map)
    try:
        yield credit
    finally:
        network.credit_observer = earlier
        for handle in handles:
            handle.remove()


def assigned_credit(rule: Rule, batch: Batch, at: CreditPoint) -> dict[str, Tensor]:
    """Return the rule's credit at every credit point that gets any; gradients are unchanged afterwards.

    Empty for a rule without credit in the loss's terms (``traits.has_credit``): what passed there last is no credit.
    """
    if not rule.traits.has_credit:
        return {}
    with gradients_set_aside(rule), observed_credit(rule.network, at) as credit:
        rule.assign_credit(batch)
    return credit


def assigned_gradients(rule: Rule, batch: Batch) -> dict[str, Tensor]:
    """Return the gradients that the rule computes, by parameter name; gradients are unchanged afterwards."""
    with gradients_set_aside(rule):
        rule.assign_credit(batch)
        return {name: p.grad for name, p in rule.network.named_parameters() if p.grad is not None}


def backprop_credit(network: Network, batch: Batch, at: CreditPoint) -> dict[str, Tensor]:
    """Return the exact gradient at every credit point above a trainable parameter; sets no ``.grad``.

    In a vectorized network it is one number per unit, to be multiplied by the output error.
    """
    if network.is_vectorized:
        tape = record_vector_forward(network, batch)
        credit = propagated_credit(tape, {})
        return credit if at == "output" else {name: tape.gated(name, value) for name, value in credit.items()}
    with observed_credit(network, at) as credit:
        backprop_gradients(network, batch)
    return credit


def with_components(credit: Mapping[str, Tensor], network: Network, batch: Batch) -> dict[str, Tensor]:
    """Return credit in the shape of the activations: in a vectorized network, multiply it by the output error."""
    if not network.is_vectorized:
        return dict(credit)
    error = record_vector_forward(network, batch).vector_error
    shapes = {segment.name: segment.output_shape for segment in network.shapes.segments}
    return {
        name: torch.einsum("bk,b...->bk...", error, value) if value[0].shape == shapes[name] else value
        for name, value in credit.items()
    }


def backprop_gradients(network: Network, batch: Batch) -> dict[str, Tensor]:
    """Return the exact gradient of every trainable parameter, by name; sets no ``.grad``."""
    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not trainable:
        return {}
    with torch.enable_grad():
        loss = batch.criterion(network(batch.inputs), batch.targets)
        found = torch.autograd.grad(loss, list(trainable.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(trainable, found, strict=True) if gradient is not None}


@contextmanager
def gradients_set_aside(rule: Rule) -> Iterator[None]:
    """Clear all gradients within the block, including those of feedback weights, and restore them afterwards."""
    holders = [*rule.network.parameters(), *rule.parameters(), *rule.buffers()]
    before = [tensor.grad for tensor in holders]
    for tensor in holders:
        tensor.grad = None
    try:
        yield
    finally:
        for tensor, gradient in zip(holders, before, strict=True):
            tensor.grad = gradient
