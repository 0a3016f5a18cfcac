"""Fraction of weights that a rule moves in backprop's direction, one example at a time."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.diagnostics.observe import assigned_gradients, backprop_gradients
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1

MIN_SHARE_OF_LARGEST = 32
"""In units of the dtype's eps: an entry smaller than this times the largest entry has a random sign."""


def sign_agreement(assigned: Tensor, exact: Tensor) -> float | None:
    """Return the fraction of entries with equal signs, among those where ``exact`` has a sign.

    Args:
        assigned: the rule's gradient, any shape; a zero has no sign, so it never agrees.
        exact: backprop's gradient, the same shape.

    Returns:
        A fraction, 0 to 1; None if ``exact`` is all zero, or either gradient is not finite.

    """
    size = exact.abs()
    signed = size > MIN_SHARE_OF_LARGEST * torch.finfo(exact.dtype).eps * size.max()
    count = int(signed.sum())
    if count == 0 or not bool(assigned.isfinite().all() & exact.isfinite().all()):
        return None
    return int((signed & (assigned.sign() == exact.sign())).sum()) / count


class UpdateSignAgreement(Diagnostic):
    """The GEVB paper's sign match, for any rule in any network; 0.5 is chance if updates are dense."""

    name = "update_sign_agreement_fraction"
    summary = (
        "Share of a segment's weights whose gradient under the rule has the sign of backprop's, among those where "
        "backprop's is not zero; one example at a time, averaged over the first 16 of a fixed batch. GEVB in dense "
        "networks of nonnegative weights: exactly 1."
    )
    examples: ClassVar[int] = 16
    """Examples used, each with two passes over a batch of one. A fraction already covers thousands of weights, so the
    remaining variation is between examples: the mean of 16 has a quarter of one example's spread."""

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the fraction per segment; None if the rule or backprop gives its weight no gradient."""
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
    """Return the diagnostic of this module."""
    return [UpdateSignAgreement]
