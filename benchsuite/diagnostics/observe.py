"""Seeing the credit that reaches each segment, under any rule, without touching it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor

from benchsuite.network.network import Network
from benchsuite.rule import Batch

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


def backprop_credit(network: Network, batch: Batch, at: CreditPoint) -> dict[str, Tensor]:
    """Return the exact gradient at every credit point; leaves no gradient on any parameter."""
    with torch.enable_grad(), observed_credit(network, at) as credit:
        loss = batch.criterion(network(batch.inputs), batch.targets)
        torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)
    return credit
