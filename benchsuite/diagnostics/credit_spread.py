"""How far exact credit is from being the same for all units of a segment: what broadcasting one number leaves out."""

from __future__ import annotations

import torch
from torch import Tensor

from benchsuite.credit import propagated_credit, record_vector_forward
from benchsuite.credit.rule import Batch, Rule
from benchsuite.diagnostics.angles import LEAST_NORM
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


def mean_spread_ratio(credit: Tensor) -> float | None:
    """Return the mean over examples of the standard deviation over units as a multiple of the mean over units.

    The arctangent of one example's ratio is the angle between its credit and a vector of ones.

    Args:
        credit: shape (batch, ...).

    Returns:
        None if no example has credit, or one has a mean that is not positive: the ratio then has no bound and no use.

    Source: Clark et al. 2021, eqs 23 and 24.

    """
    values = credit.flatten(1).double()
    norms = values.norm(dim=1)
    values = values[(norms > LEAST_NORM) & norms.isfinite()]
    means = values.mean(1)
    if not len(values) or not bool((means > 0).all()):
        return None
    return float((values.std(1, correction=0) / means).mean())


class CreditSpreadRatio(Diagnostic):
    """The GEVB paper's relative standard deviation r, whatever the rule that trains."""

    name = "credit_spread_ratio"
    summary = (
        "Standard deviation over mean, across a segment's units, of backprop's credit per unit of output error, at the "
        "segment's output and before pooling; mean of per-example ratios on a fixed batch. For vectorized networks; "
        "undefined where an example's mean is not positive, as happens with weights of both signs."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the ratio in each hidden segment; None throughout where units are no vectors."""
        network = rule.network
        if not network.is_vectorized:
            return dict.fromkeys(network.hidden)
        with torch.no_grad():
            credit = propagated_credit(record_vector_forward(network, batch), {})
            return {name: mean_spread_ratio(credit[name]) for name in network.hidden}


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the one diagnostic of this module."""
    return [CreditSpreadRatio]
