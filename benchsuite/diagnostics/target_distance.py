"""Distance between a rule's targets and the segments' outputs, for rules that have targets."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


def mean_length(values: Tensor) -> float | None:
    """Return the mean over examples of the Euclidean norm of (batch, ...); None if one is not finite."""
    return _finite_mean(values.flatten(1).double().norm(dim=1))


def mean_relative_length(values: Tensor, of: Tensor) -> float | None:
    """Return the mean over examples of the ratio of two Euclidean norms.

    Args:
        values: numerator, shape (batch, ...).
        of: denominator, shape (batch, ...); examples in which it is zero are left out.

    Returns:
        None if all examples are left out, or a norm is not finite.

    """
    lengths, whole = (t.flatten(1).double().norm(dim=1) for t in (values, of))
    return _finite_mean((lengths / whole)[whole != 0])


def _finite_mean(lengths: Tensor) -> float | None:
    if not len(lengths) or not bool(lengths.isfinite().all()):
        return None
    return float(lengths.mean())


class _TargetDistance(Diagnostic):
    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return the distance per segment, including the readout; all None if the rule has no targets."""
        network = rule.network
        differences = rule.target_differences(batch)
        with torch.no_grad(), network.observed() as outputs:
            network(batch.inputs)
        return {
            name: self.compare(differences[name], outputs[name]) if name in differences else None
            for name in network.segments
        }

    @abstractmethod
    def compare(self, difference: Tensor, output: Tensor) -> float | None:
        """Return the distance; both arguments have shape (batch, ...)."""


class TargetDistance(_TargetDistance):
    """The norm that normalized GAIT-prop sets to η before passing a target down."""

    name = "target_distance"
    summary = (
        "Euclidean distance between a segment's output and the target that the rule works out for it, over all its "
        "outputs, auxiliary ones included, as it is before any scale is divided out; mean over examples of a fixed "
        "batch. For rules that have targets."
    )

    def compare(self, difference: Tensor, output: Tensor) -> float | None:
        """Return the mean distance."""
        return mean_length(difference)


class RelativeTargetDistance(_TargetDistance):
    """Compare with the rounding error of the target pass: 1e-7 in float32, 1e-16 in float64."""

    name = "relative_target_distance"
    summary = (
        "Euclidean distance between a segment's output and the target that the rule works out for it, as a multiple of "
        "the output's length, before any scale is divided out; mean over examples of a fixed batch. Near the rounding "
        "of float32 (1e-7) or float64 (1e-16) a target is lost. For rules that have targets."
    )

    def compare(self, difference: Tensor, output: Tensor) -> float | None:
        """Return the mean ratio."""
        return mean_relative_length(difference, output)


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostics of this module."""
    return [TargetDistance, RelativeTargetDistance]
