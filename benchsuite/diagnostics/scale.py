"""Scale of activations, credits and weights per segment: whether a network stays in the range in which it started."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.diagnostics.observe import assigned_credit, with_components
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


def mean_example_norm(values: Tensor) -> float | None:
    """Return the mean over examples of the Euclidean norm; None without examples, or if it is not finite.

    Args:
        values: shape (batch, ...).

    """
    if not len(values):
        return None
    # In float64, in which squares of large float32 numbers do not overflow.
    return _finite(torch.linalg.vector_norm(values.detach().flatten(1), dim=1, dtype=torch.float64).mean())


def _finite(norm: Tensor) -> float | None:
    return float(norm) if bool(norm.isfinite()) else None


class ActivationNorm(Diagnostic):
    """Norm of a segment's output: grows without bound if activations explode, goes to zero if units die."""

    name = "activation_norm"
    summary = (
        "Euclidean norm of a segment's output, all units and positions of an example as one vector, before pooling; "
        "mean over the examples of a fixed batch."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the norm per segment; None if it is not finite."""
        norms: Measurement = {}

        # Within the forward pass: a later node may overwrite the output in place.
        def watch(name: str) -> Callable[[Any, Any, Tensor], None]:
            return lambda _module, _inputs, output: norms.update({name: mean_example_norm(output)})

        handles = [segment.register_forward_hook(watch(name)) for name, segment in rule.network.segments.items()]
        try:
            with torch.no_grad():
                rule.network(batch.inputs)
        finally:
            for handle in handles:
                handle.remove()
        return norms


class CreditNorm(Diagnostic):
    """Norm of a segment's credit: relative to the readout's, it shows credit that vanishes or explodes on its way."""

    name = "credit_norm"
    summary = (
        "Euclidean norm of the rule's credit at a segment's output, before pooling and without the nonlinearity's "
        "derivative, of the loss of one example (not divided by the batch size); in a vectorized network times the "
        "output error; mean over the examples of a fixed batch."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the norm per segment; None for a segment that gets no credit, or if it is not finite."""
        network = rule.network
        credit = with_components(assigned_credit(rule, batch, "output"), network, batch)
        return {
            name: mean_example_norm(credit[name] * len(batch.targets)) if name in credit else None
            for name in network.segments
        }


class WeightNorm(Diagnostic):
    """Norm of a segment's weight: grows with the steps that a rule takes, whether or not they lead anywhere."""

    name = "weight_norm"
    summary = "Frobenius norm of a segment's weight, without its bias (`torch.linalg.vector_norm`); no data."

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the norm per segment; None if it is not finite."""
        return {
            name: _finite(torch.linalg.vector_norm(each.weight.detach(), dtype=torch.float64))
            for name, each in rule.network.maps.items()
        }


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostics of this module."""
    return [ActivationNorm, CreditNorm, WeightNorm]
