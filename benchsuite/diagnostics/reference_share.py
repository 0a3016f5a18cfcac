"""Shares of examples and of units whose true gradient is large enough for an angle to it to mean anything.

An angle is a mean over the examples that have a direction. If few have one, it describes those few; where a network has
died or fits its batch, there may be none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.angles import LEAST_NORM
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.diagnostics.observe import backprop_credit
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


def example_share(gradient: Tensor) -> float | None:
    """Return the share of examples whose gradient has a norm above ``LEAST_NORM``; None without examples.

    Args:
        gradient: shape (batch, ...), divided by the batch size.

    """
    if not len(gradient):
        return None
    norms = _norms(gradient * len(gradient), dim=1)  # (batch,)
    return _share((norms > LEAST_NORM) & norms.isfinite())


def unit_share(gradient: Tensor) -> float | None:
    """Return the share of units whose gradient is above ``LEAST_NORM / sqrt(units)``; None without examples.

    A unit's gradient is the root mean square over examples. The threshold is what each of equally large units has in an
    example whose norm over all units is ``LEAST_NORM``, so that it does not depend on the segment's width.

    Args:
        gradient: shape (batch, units, ...), divided by the batch size; a unit with positions counts as one.

    """
    batch, units = gradient.shape[:2]
    if not batch:
        return None
    # (units, batch * positions); the mean over examples of squared norms over positions
    squares = _norms((gradient * batch).transpose(0, 1), dim=1) ** 2 / batch  # (units,)
    norms = squares.sqrt()
    return _share((norms > LEAST_NORM / math.sqrt(units)) & norms.isfinite())


def _norms(values: Tensor, dim: int) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(values.flatten(1), dim=dim, dtype=torch.float64)
    return norms


def _share(usable: Tensor) -> float:
    return float(usable.double().mean())


class ReferenceExampleFraction(Diagnostic):
    """The examples over which ``credit_angle_deg`` may be a mean; the others are left out of it."""

    name = "reference_example_fraction"
    summary = (
        f"Share of the examples of a fixed batch whose true gradient at the segment's output has a norm above "
        f"{LEAST_NORM:g}, the least for which angles are computed; in a vectorized network of the gradient per unit of "
        "output error, as angles compare it."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the share per hidden segment; None if nothing at or before it is trained."""
        exact = backprop_credit(rule.network, batch, "output")
        return {name: example_share(exact[name]) if name in exact else None for name in rule.network.hidden}


class ReferenceUnitFraction(Diagnostic):
    """The units from which weights can learn: a rectified unit that is silent for all examples is none of them."""

    name = "reference_unit_fraction"
    summary = (
        "Share of a segment's units whose true gradient at the linear map's output, with the nonlinearity's "
        f"derivative, has a root mean square over the examples of a fixed batch above {LEAST_NORM:g} / sqrt(units): "
        "what each of equally large units has in an example at the least norm of angles; a convolution's channel is "
        "one unit."
    )

    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the share per hidden segment; None if nothing at or before it is trained."""
        network = rule.network
        exact = backprop_credit(network, batch, "pre_activation")
        # Only a convolution's positions share weights; elsewhere every entry of the output is a unit of its own.
        shared = {segment.name for segment in network.shapes.segments if segment.map_kind == "conv2d"}
        return {
            name: unit_share(exact[name] if name in shared else exact[name].flatten(1)) if name in exact else None
            for name in network.hidden
        }


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostics of this module."""
    return [ReferenceExampleFraction, ReferenceUnitFraction]
