"""Angle between a rule's gradients and the exact ones: credit and activity together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.angles import LEAST_NORM, angle_deg
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.diagnostics.observe import assigned_gradients, backprop_gradients
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class UpdateAngle(Diagnostic):
    """Angle between updates as plotted in the GAIT-prop papers, here before regulariser and optimizer."""

    name = "update_angle_deg"
    summary = (
        "Angle between the gradient that the rule leaves on a segment's weight and backprop's, over the whole of a "
        "fixed batch, before regulariser and optimizer; for the network over all trainable parameters, those without "
        "a gradient counting as zero."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the angle per segment and, under None, of the network; undefined if a gradient is missing."""
        network = rule.network
        exact = backprop_gradients(network, batch)
        assigned = assigned_gradients(rule, batch)
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        weights = {segment: names[id(linear_map.weight)] for segment, linear_map in network.maps.items()}
        found: Measurement = {
            segment: angle_deg(assigned[name], exact[name], LEAST_NORM) if name in assigned and name in exact else None
            for segment, name in weights.items()
        }
        found[None] = _angle_of_all(assigned, exact)
        return found


def _angle_of_all(assigned: Mapping[str, Tensor], exact: Mapping[str, Tensor]) -> float | None:
    if not exact:
        return None
    rule_side = [assigned[name] if name in assigned else torch.zeros_like(gradient) for name, gradient in exact.items()]
    return angle_deg(_as_one(rule_side), _as_one(exact.values()), LEAST_NORM)


def _as_one(gradients: Iterable[Tensor]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostic of this module."""
    return [UpdateAngle]
