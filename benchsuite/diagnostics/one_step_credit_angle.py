"""Angle between a rule's credit and its own credit of later segments pulled back through the forward weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.angles import mean_angle_deg
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.diagnostics.observe import assigned_credit, with_components
from benchsuite.networks.network import Network
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


def pulled_back_one_step(network: Network, inputs: Tensor, credit: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Pull each segment's credit back through its own forward weight, to the nearest earlier maps and no further.

    Layers between (norm, nonlinearity, pooling, dropout, sums) are passed exactly. A segment with several readers gets
    the sum of their cotangents.

    Args:
        network: a network in evaluation mode, without feedback weights set.
        inputs: inputs of the batch.
        credit: by segment, credit at the output of its map; segments that are missing pass nothing on.

    Returns:
        Cotangents at the output of each map that is read by a segment with credit.

    """
    reached: dict[str, Tensor] = {}
    cut: dict[str, Tensor] = {}

    def cut_off(name: str) -> Callable[[Any, Any, Tensor], Tensor]:
        def on_forward(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
            reached[name] = output
            cut[name] = output.detach().requires_grad_()
            return cut[name].clone()  # the nonlinearity may work in place, which autograd forbids on a leaf

        return on_forward

    handles = [linear_map.register_forward_hook(cut_off(name)) for name, linear_map in network.maps.items()]
    try:
        with torch.enable_grad():
            network(inputs)
    finally:
        for handle in handles:
            handle.remove()
    readers = [name for name in network.credit_senders if name in credit]
    if not readers:
        return {}
    cotangents = [credit[name].reshape(reached[name].shape) for name in readers]
    pulled = torch.autograd.grad([reached[name] for name in readers], list(cut.values()), cotangents, allow_unused=True)
    return {name: cotangent for name, cotangent in zip(cut, pulled, strict=True) if cotangent is not None}


class OneStepCreditAngle(Diagnostic):
    """The angle of Akrout et al.'s code; it equals the full-chain angle only with one hidden segment."""

    name = "one_step_credit_angle_deg"
    summary = (
        "Angle between the rule's credit and the rule's own credit of the segments that read this one, pulled back "
        "through their forward weights, at the linear map's output and with the nonlinearity's derivative on both "
        "sides; one step, not the full chain; mean of per-example angles on a fixed batch."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the mean angle per hidden segment; None if it, or every segment that reads it, gets no credit."""
        network = rule.network
        assigned = with_components(assigned_credit(rule, batch, "pre_activation"), network, batch)
        pulled = pulled_back_one_step(network, batch.inputs, assigned)
        return {
            name: mean_angle_deg(assigned[name], pulled[name]) if name in assigned and name in pulled else None
            for name in network.hidden
        }


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostic of this module."""
    return [OneStepCreditAngle]
