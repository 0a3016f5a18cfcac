"""Inverses of linear maps with a square matrix: factorize once, then solve."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from benchsuite.errors import ShapeError

LOST = 16
"""A singular value below this many roundings (eps) of the matrix's Frobenius norm counts as zero. Singular matrices of
up to 1024 units gave a smallest value of at most two roundings, even of the root mean square of all singular values."""


class Square:
    """LU factorization, with partial pivoting, of a square matrix.

    Attributes:
        singular: True if the smallest singular value is lost in rounding, so that the results of ``solve`` are
            meaningless; a scalar tensor on the device. False for a matrix that is not finite: that is another failure.
    """

    def __init__(self, matrix: Tensor) -> None:
        if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ShapeError(f"a matrix of shape {tuple(matrix.shape)} has no inverse; it must be square")
        # The _ex form does not synchronise with the host; the ordinary one checks the result there.
        self._factors, self._pivots, _ = torch.linalg.lu_factor_ex(matrix)
        norm = torch.linalg.matrix_norm(matrix)
        # Singular unless above the bound: a pivot of exactly zero makes the smallest value 0/0, which is NaN.
        is_kept = self._smallest_singular_value() > LOST * torch.finfo(matrix.dtype).eps * norm
        self.singular: Tensor = norm.isfinite() & ~is_kept

    def solve(self, rows: Tensor) -> Tensor:
        """Solve ``X Aᵀ = rows`` for X: for each row, the vector that A maps to it; shape (any, n)."""
        solved: Tensor = torch.linalg.lu_solve(self._factors, self._pivots, rows, left=False, adjoint=True)
        return solved

    def solve_columns(self, columns: Tensor) -> Tensor:
        """Solve ``A X = columns`` for X, shape (n, any)."""
        solved: Tensor = torch.linalg.lu_solve(self._factors, self._pivots, columns)
        return solved

    def solve_transposed(self, columns: Tensor) -> Tensor:
        """Solve ``Aᵀ X = columns`` for X, shape (n, any)."""
        solved: Tensor = torch.linalg.lu_solve(self._factors, self._pivots, columns, adjoint=True)
        return solved

    def _smallest_singular_value(self) -> Tensor:
        """Estimate the smallest singular value from two solves: exact if it is far below the others, else too large.

        Pivots are no measure of it: those of an orthogonal matrix spread with its size, and from thousands of units on
        as far as those of a singular matrix.
        """
        size = len(self._factors)
        # A start vector that is unlikely to be orthogonal to patterns of zeros or equal rows; rounding in the solves
        # adds any missing direction.
        start = torch.arange(size, dtype=self._factors.dtype, device=self._factors.device).cos_()
        once = self.solve_columns(start[:, None])  # (n, 1)
        twice = self.solve_transposed(once)  # (n, 1)
        smallest: Tensor = torch.linalg.vector_norm(once) / torch.linalg.vector_norm(twice)
        return smallest


class Factorization(ABC):
    """Inverse of a linear map without its bias, for any number of outputs.

    Attributes:
        matrix: the factorized matrix.
    """

    def __init__(self, matrix: Square) -> None:
        self.matrix = matrix

    @property
    def singular(self) -> Tensor:
        """True if there is no inverse; a scalar tensor on the device."""
        return self.matrix.singular

    @abstractmethod
    def solve(self, outputs: Tensor, forward_inputs: Tensor) -> Tensor:
        """Return the inputs that the map takes to ``outputs``, shape (batch, ...).

        Args:
            outputs: outputs of the map without its bias, shape (batch, ...), in the dtype of the matrix.
            forward_inputs: inputs of the forward pass, in the shape of the result. If several patches share an input
                and each reconstructs it differently, their deviations from the forward input add up. An input in no
                patch keeps its forward value. Maps that share no inputs ignore this argument.
        """

    @abstractmethod
    def solve_difference(self, difference: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the change of the inputs under ``solve`` if ``outputs`` change by ``difference``, shape (batch, ...).

        ``solve`` is affine in the outputs, so the forward inputs do not matter. Inputs in no patch do not change.

        Args:
            difference: in the shape and dtype of ``outputs``.
            input_shape: shape of the result, (batch, ...).
        """


class DenseFactorization(Factorization):
    """Inverse of ``y = x Wᵀ``."""

    def solve(self, outputs: Tensor, forward_inputs: Tensor) -> Tensor:
        """Return ``outputs @ inverse(W).T``, shape (batch, inputs)."""
        return self.matrix.solve(outputs)

    def solve_difference(self, difference: Tensor, input_shape: torch.Size) -> Tensor:
        """Return ``difference @ inverse(W).T``, shape (batch, inputs)."""
        return self.matrix.solve(difference)


class PatchFactorization(Factorization):
    """Inverse of a convolution patch by patch.

    The channels of each position reconstruct the patch they were computed from. A pixel in c patches gets the sum of
    its c reconstructions minus (c - 1) times its forward value, so that deviations add up as under the transposed
    convolution. Dividing by c instead would shrink them.

    Source: the paper on GAIT-prop for ImageNet, section 2.2.2; zeros around the image are left out.
    """

    def __init__(self, matrix: Square, kernel: int, slide: dict[str, int], extra_padding: int = 0) -> None:
        super().__init__(matrix)
        self.kernel = kernel
        self.slide = slide
        self.extra_padding = extra_padding

    def solve(self, outputs: Tensor, forward_inputs: Tensor) -> Tensor:
        """Return the images, shape (batch, input channels, height, width)."""
        summed = self.solve_difference(outputs, forward_inputs.shape)  # (batch, input channels, height, width)
        one = outputs.new_ones(1, self.kernel**2, outputs[0, 0].numel())
        surplus = self._folded(one, forward_inputs.shape[2:]).sub_(1)  # (1, 1, height, width): c - 1
        return summed.addcmul_(surplus, forward_inputs.to(summed.dtype), value=-1)

    def solve_difference(self, difference: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the sum of the patches' reconstructions, shape (batch, input channels, height, width)."""
        batch, channels = difference.shape[:2]
        columns = difference.flatten(2).transpose(0, 1).reshape(channels, -1)  # (channels, batch·positions)
        # (batch, input channels·kernel², positions)
        patches = self.matrix.solve_columns(columns).view(channels, batch, -1).transpose(0, 1)
        return self._folded(patches, input_shape[2:])

    def _folded(self, patches: Tensor, size: Sequence[int]) -> Tensor:
        """Return the sum of the patches at each pixel of an image of this size."""
        extra = self.extra_padding
        folded = F.fold(patches, (size[0] + extra, size[1] + extra), self.kernel, **self.slide)
        return folded[:, :, : size[0], : size[1]]
