"""Orthogonality and condition number of the matrices of an invertible network; no data are used."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.diagnostics.contract import Diagnostic, Measurement
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class _OfSquareMatrix(Diagnostic):
    def measure(self, rule: Rule, batch: Batch) -> Measurement:
        """Return one number per segment's matrix; all None if the network is not invertible."""
        network = rule.network
        if not network.is_invertible:
            return dict.fromkeys(network.segments)
        matrices = {name: linear_map.weight.detach().flatten(1) for name, linear_map in network.maps.items()}
        return {name: self.of(matrix) if bool(matrix.isfinite().all()) else None for name, matrix in matrices.items()}

    @abstractmethod
    def of(self, matrix: Tensor) -> float | None:
        """Return the number for a finite square matrix."""


class OrthogonalityDeviation(_OfSquareMatrix):
    """Zero if the inverse is the transpose; GAIT-prop then equals backprop."""

    name = "orthogonality_deviation"
    summary = (
        "Frobenius norm of W W^T - I over the square root of the matrix's size n, of a segment's square matrix (of a "
        "convolution: over a patch): the root mean square of its squared singular values less one. For invertible "
        "networks."
    )

    def of(self, matrix: Tensor) -> float:
        """Return the root mean square of the squared singular values minus one."""
        # In the weights' dtype: a 3072 x 3072 product in float64 takes a twentieth of a short epoch, and the error that
        # float32 adds (1e-5 at that size) is no larger than that of orthogonal weights drawn in float32.
        excess = matrix @ matrix.t()
        excess.diagonal().sub_(1)
        return float(excess.double().norm()) / math.sqrt(len(matrix))


class ConditionNumber(_OfSquareMatrix):
    """The largest factor by which the inverse may amplify a relative error."""

    name = "condition_number"
    only_at_ends = True  # a 3072 x 3072 matrix takes longer than a step of training
    summary = (
        "Largest over smallest singular value of a segment's square matrix (of a convolution: over a patch), in "
        "float64; undefined for a matrix without an inverse. For invertible networks. Before training and at the end "
        "only."
    )

    def of(self, matrix: Tensor) -> float | None:
        """Return the ratio of singular values; None if the smallest is zero."""
        values = torch.linalg.svdvals(matrix.double())
        ratio = float(values[0] / values[-1])
        return ratio if ratio < float("inf") else None


@hookimpl
def benchsuite_diagnostics() -> list[type[Diagnostic]]:
    """Return the diagnostics of this module."""
    return [OrthogonalityDeviation, ConditionNumber]
