"""Spread of exact credit over the units of a segment: the part that broadcasting one number to all units loses."""

from __future__ import annotations

import torch
from torch import Tensor

from benchsuite.credit import propagated_credit, record_vector_forward
from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.angles import LEAST_NORM
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


def mean_spread_ratio(credit: Tensor) -> float | None:
    """Return the mean over examples of (standard deviation over units) / (mean over units).

    The arctangent of one example's ratio is the angle between its credit and a vector of ones.

    Args:
        credit: shape (batch, ...).

    Returns:
        None if no example has credit, or a mean is not positive: the ratio is then unbounded and meaningless.

    Source: Clark et al. 2021, eqs 23 and 24.

    """
    values = credit.flatten(1).double()  # (batch, units)
    norms = values.norm(dim=1)
    values = values[(norms > LEAST_NORM) & norms.isfinite()]
    means = values.mean(1)  # (batch,)
    if not len(values) or not bool((means > 0).all()):
        return None
    return float((values.std(1, correction=0) / means).mean())


class CreditSpreadRatio(Diagnostic):
    """The GEVB paper's relative standard deviation r, for any training rule."""

    name = "credit_spread_ratio"
    summary = (
        "Standard deviation over mean, across a segment's units, of backprop's credit per unit of output error, at the "
        "segment's output and before pooling; mean of per-example ratios on a fixed batch. For vectorized networks; "
        "undefined where an example's mean is not positive, as happens with weights of both signs."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the ratio per hidden segment; all None if the network is not vectorized."""
        network = rule.network
        if not network.is_vectorized:
            return dict.fromkeys(network.hidden)
        with torch.no_grad():
            credit = propagated_credit(record_vector_forward(network, batch), {})
            return {name: mean_spread_ratio(credit[name]) for name in network.hidden}


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostic of this module."""
    return [CreditSpreadRatio]
