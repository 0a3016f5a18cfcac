"""Fully connected maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from benchsuite.networks.maps.factorization import DenseFactorization, Square
from benchsuite.networks.maps.linear_map import LinearMap


class Dense(LinearMap):
    """``y = x Wᵀ + b`` with W of shape (units, inputs); inputs (batch, ..., inputs) may have positions in between."""

    kind = "dense"

    def __init__(self, inputs: int, units: int, bias: bool = True) -> None:
        super().__init__((units, inputs), units, bias)

    @property
    def fan_in(self) -> int:
        """The number of inputs."""
        return self.weight.shape[1]

    @property
    def fan_out(self) -> int:
        """The number of units."""
        return self.weight.shape[0]

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return ``inputs @ weight.T + bias``, shape (batch, ..., units)."""
        return F.linear(inputs, weight, bias)

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return ``cotangent @ weight``, shape (batch, ..., inputs)."""
        return cotangent @ weight

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        """Return ``cotangent.T @ inputs``, shape (units, inputs)."""
        return _rows(cotangent).t().mm(_rows(inputs))

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        """Return the sum over the batch and positions, shape (units,)."""
        return _rows(cotangent).sum(0)

    def factorize(self, weight: Tensor) -> DenseFactorization:
        """Return the factorized inverse of a square weight.

        Raises:
            ShapeError: if the weight is not square.
        """
        return DenseFactorization(Square(weight))


def _rows(values: Tensor) -> Tensor:
    return values if values.dim() == 2 else values.flatten(0, -2)
