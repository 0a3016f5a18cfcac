"""Angles per example between a rule's credit and backprop's, on the same batch and the same weights.

Five different quantities are called alignment in this field; each diagnostic here says which of them it is.
"""

from __future__ import annotations

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.angles import mean_angle_deg
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.diagnostics.observe import CreditPoint, assigned_credit, backprop_credit, with_components
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class _CreditAngle(Diagnostic):
    at: CreditPoint

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the mean angle per hidden segment; None where no credit in the loss's terms arrives."""
        network = rule.network
        exact = backprop_credit(network, batch, self.at)
        assigned = assigned_credit(rule, batch, self.at)
        if any(assigned[name].shape != exact[name].shape for name in assigned.keys() & exact.keys()):
            exact, assigned = (with_components(credit, network, batch) for credit in (exact, assigned))
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
