"""Whether a rule moves each weight the way backprop would, one example at a time."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from benchsuite.credit.rule import Batch, Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.diagnostics.observe import assigned_gradients, backprop_gradients
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1

LEAST_SHARE_OF_LARGEST = 32
"""In units of the type's rounding: what is smaller beside a gradient's largest entry has a sign by chance only."""


def sign_agreement(assigned: Tensor, exact: Tensor) -> float | None:
    """Return the share of entries in which two gradients have the same sign, among those where ``exact`` has one.

    Args:
        assigned: any shape; a zero has no sign, and so not the same.
        exact: the same shape.

    Returns:
        0 to 1; None if ``exact`` is zero throughout, or either is not finite.

    """
    size = exact.abs()
    signed = size > LEAST_SHARE_OF_LARGEST * torch.finfo(exact.dtype).eps * size.max()
    count = int(signed.sum())
    if count == 0 or not bool(assigned.isfinite().all() & exact.isfinite().all()):
        return None
    return int((signed & (assigned.sign() == exact.sign())).sum()) / count


class UpdateSignAgreement(Diagnostic):
    """The GEVB paper's sign match, for any rule in any network; half is chance where updates are dense."""

    name = "update_sign_agreement_fraction"
    summary = (
        "Share of a segment's weights whose gradient under the rule has the sign of backprop's, among those where "
        "backprop's is not zero; one example at a time, averaged over the first 16 of a fixed batch. GEVB in dense "
        "networks of nonnegative weights: exactly 1."
    )
    examples: ClassVar[int] = 16
    """Each takes two passes over a batch of one. A share is over thousands of weights already, and what is left to vary
    is how examples differ: 16 leave a quarter of one example's spread."""

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the share for each segment; None where the rule or backprop gives its weight no gradient."""
        network = rule.network
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        weights = {segment: names[id(linear_map.weight)] for segment, linear_map in network.maps.items()}
        shares: dict[str, list[float]] = {segment: [] for segment in weights}
        for position in range(min(self.examples, len(batch.targets))):
            chosen = slice(position, position + 1)
            example = Batch(batch.inputs[chosen], batch.targets[chosen], batch.criterion)
            exact = backprop_gradients(network, example)
            assigned = assigned_gradients(rule, example)
            for segment, name in weights.items():
                if name in exact and name in assigned:
                    share = sign_agreement(assigned[name], exact[name])
                    shares[segment] += [] if share is None else [share]
        return {segment: sum(found) / len(found) if found else None for segment, found in shares.items()}


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the one diagnostic of this module."""
    return [UpdateSignAgreement]
