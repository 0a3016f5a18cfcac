"""Angles between a rule's credit and backprop's, per example, on the same batch and the same weights.

Five different things are called alignment in this field; each diagnostic here says which of them it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.diagnostics.observe import CreditPoint, backprop_credit, observed_credit
from benchsuite.registry import hookimpl
from benchsuite.rule import Batch, Rule

BENCHSUITE_CONTRACT = 1

# Of one example's own gradient (not divided by the batch). Below it a direction is rounding noise; the GEVB authors'
# code drops such examples too, which is why its curves end once a network fits its batch.
LEAST_NORM = 1e-6


def mean_angle_deg(first: Tensor, second: Tensor) -> float | None:
    """Return the mean over examples of the angle between two credits, or None if no example has both.

    Args:
        first: shape (batch, ...), divided by the batch as rules hand it out.
        second: likewise.

    """
    one, two = (t.flatten(1).double() * len(t) for t in (first, second))
    norms = torch.stack([one.norm(dim=1), two.norm(dim=1)])
    usable = (norms > LEAST_NORM).all(0) & norms.isfinite().all(0)
    if not usable.any():
        return None
    cosine = (one * two).sum(1)[usable] / norms[:, usable].prod(0)
    return float(torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))).mean())


class _CreditAngle(Diagnostic):
    at: CreditPoint

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the mean angle in each hidden segment; None where a segment gets no credit."""
        network = rule.network
        exact = backprop_credit(network, batch, self.at)
        with observed_credit(network, self.at) as assigned:
            rule.assign_credit(batch)
        network.zero_grad(set_to_none=True)
        return {
            name: mean_angle_deg(assigned[name], exact[name]) if name in assigned and name in exact else None
            for name in network.hidden
        }


class CreditAngle(_CreditAngle):
    """The GEVB paper's alignment angle (its Figs 2 and 6)."""

    name = "credit_angle_deg"
    summary = (
        "Angle between the rule's credit and backprop's at the segment's output, before pooling and without the "
        "nonlinearity's derivative; through the full chain of each; mean of per-example angles on a fixed batch."
    )
    at: CreditPoint = "output"


class PreActivationCreditAngle(_CreditAngle):
    """Akrout et al. 2019, Fig. 4: both sides include the derivative."""

    name = "pre_activation_credit_angle_deg"
    summary = (
        "Angle between the rule's credit and backprop's at the linear map's output, with the nonlinearity's "
        "derivative on both sides; through the full chain of each; mean of per-example angles on a fixed batch."
    )
    at: CreditPoint = "pre_activation"


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostics of this module."""
    return [CreditAngle, PreActivationCreditAngle]
