"""Seeing the credit that reaches each segment and the gradients it makes, under any rule, without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

from benchsuite.credit import propagated_credit, record_vector_forward
from benchsuite.credit.rule import Batch, Rule
from benchsuite.networks.network import Network

CreditPoint = Literal["output", "pre_activation"]


@contextmanager
def observed_credit(network: Network, at: CreditPoint) -> Iterator[dict[str, Tensor]]:
    """Collect the cotangent that arrives at each segment while the block assigns credit.

    Where autograd passes a cotangent through a segment, hooks on its tensors see it; where a tape forms the gradients
    itself, it tells the network's observer.

    Args:
        network: the network whose segments are watched.
        at: 'output', after norm and nonlinearity and without their derivative; or 'pre_activation', the linear map's
            output, with it.

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
    """Return the rule's credit at every credit point that gets any; leaves all gradients as they were."""
    with gradients_set_aside(rule), observed_credit(rule.network, at) as credit:
        rule.assign_credit(batch)
    return credit


def assigned_gradients(rule: Rule, batch: Batch) -> dict[str, Tensor]:
    """Return the gradients the rule leaves, by name of the network's parameter; leaves all as they were."""
    with gradients_set_aside(rule):
        rule.assign_credit(batch)
        return {name: p.grad for name, p in rule.network.named_parameters() if p.grad is not None}


def backprop_credit(network: Network, batch: Batch, at: CreditPoint) -> dict[str, Tensor]:
    """Return the exact gradient at every credit point above a trainable parameter; leaves no gradient anywhere.

    In a vectorized network it is one number a unit, which stands for its product with the output error.
    """
    if network.is_vectorized:
        tape = record_vector_forward(network, batch)
        credit = propagated_credit(tape, {})
        return credit if at == "output" else {name: tape.gated(name, value) for name, value in credit.items()}
    with observed_credit(network, at) as credit:
        backprop_gradients(network, batch)
    return credit


def with_components(credit: Mapping[str, Tensor], network: Network, batch: Batch) -> dict[str, Tensor]:
    """Return credit in the shape of the activations: in a vectorized network one number a unit is multiplied out."""
    if not network.is_vectorized:
        return dict(credit)
    error = record_vector_forward(network, batch).vector_error
    shapes = {segment.name: segment.output_shape for segment in network.outline.segments}
    return {
        name: torch.einsum("bk,b...->bk...", error, value) if value[0].shape == shapes[name] else value
        for name, value in credit.items()
    }


def backprop_gradients(network: Network, batch: Batch) -> dict[str, Tensor]:
    """Return the exact gradient of every trainable parameter, by name; leaves no gradient anywhere."""
    trainable = {name: p for name, p in network.named_parameters() if p.requires_grad}
    if not trainable:
        return {}
    with torch.enable_grad():
        loss = batch.criterion(network(batch.inputs), batch.targets)
        found = torch.autograd.grad(loss, list(trainable.values()), allow_unused=True)
    return {name: gradient for name, gradient in zip(trainable, found, strict=True) if gradient is not None}


@contextmanager
def gradients_set_aside(rule: Rule) -> Iterator[None]:
    """Clear all gradients for the block, those on feedback weights too, and put them back when it ends."""
    holders = [*rule.network.parameters(), *rule.parameters(), *rule.buffers()]
    before = [tensor.grad for tensor in holders]
    for tensor in holders:
        tensor.grad = None
    try:
        yield
    finally:
        for tensor, gradient in zip(holders, before, strict=True):
            tensor.grad = gradient
