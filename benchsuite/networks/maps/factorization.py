"""Inverses of linear maps whose matrix is square, by factorizing it once and solving."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from benchsuite.errors import ShapeError

LOST = 16
"""A singular value below so many roundings of the matrix's Frobenius norm is one of rounding: factors of singular
matrices of up to 1024 units were seen to have one of at most two, even of the root mean square of all of them."""


class Square:
    """A square matrix as LU with partial pivoting.

    Attributes:
        singular: whether the smallest singular value is lost in rounding, a scalar tensor on the device; what ``solve``
            returns is meaningless then. False of a matrix that is not finite: that is another failure.
    """

    def __init__(self, matrix: Tensor) -> None:
        if matrix.dim() != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ShapeError(f"a matrix of shape {tuple(matrix.shape)} has no inverse; it must be square")
        # The _ex form: the ordinary one looks at the result on the host.
        self._factors, self._pivots, _ = torch.linalg.lu_factor_ex(matrix)
        norm = torch.linalg.matrix_norm(matrix)
        # Anything but above the bound: a pivot of exactly zero makes the smallest value 0/0.
        is_kept = self._smallest_singular_value() > LOST * torch.finfo(matrix.dtype).eps * norm
        self.singular: Tensor = norm.isfinite() & ~is_kept

    def solve(self, rows: Tensor) -> Tensor:
        """Return X of ``X Aᵀ = rows``: for each row the argument that A maps to it; shape (any, n)."""
        solved: Tensor = torch.linalg.lu_solve(self._factors, self._pivots, rows, left=False, adjoint=True)
        return solved

    def solve_columns(self, columns: Tensor) -> Tensor:
        """Return X of ``A X = columns``, shape (n, any)."""
        solved: Tensor = torch.linalg.lu_solve(self._factors, self._pivots, columns)
        return solved

    def solve_transposed(self, columns: Tensor) -> Tensor:
        """Return X of ``Aᵀ X = columns``, shape (n, any)."""
        solved: Tensor = torch.linalg.lu_solve(self._factors, self._pivots, columns, adjoint=True)
        return solved

    def _smallest_singular_value(self) -> Tensor:
        """Return it from two solves, exactly where it is far below the others, else too large.

        Pivots do not tell: those of an orthogonal matrix spread with its size, from thousands of units on as far as
        those of a singular one.
        """
        size = len(self._factors)
        # A start that hardly a pattern of zeros and equal rows is orthogonal to; rounding in the solves adds the rest.
        start = torch.arange(size, dtype=self._factors.dtype, device=self._factors.device).cos_()
        once = self.solve_columns(start[:, None])
        twice = self.solve_transposed(once)
        smallest: Tensor = torch.linalg.vector_norm(once) / torch.linalg.vector_norm(twice)
        return smallest


class Factorization(ABC):
    """The inverse of a linear map without its bias, for any number of outputs.

    Attributes:
        matrix: what was factorized.
    """

    def __init__(self, matrix: Square) -> None:
        self.matrix = matrix

    @property
    def singular(self) -> Tensor:
        """Whether there is no inverse, a scalar tensor on the device."""
        return self.matrix.singular

    @abstractmethod
    def solve(self, outputs: Tensor, forward_inputs: Tensor) -> Tensor:
        """Return the inputs that the map takes to ``outputs``.

        Args:
            outputs: of the map without its bias, shape (batch, ...), in the type of the matrix.
            forward_inputs: what came in on the way forward, in the shape of what is returned. Where an input is shared
                by several patches, each of which would set it otherwise, their deviations from it add up; an input in
                no patch keeps it. A map in which nothing is shared ignores it.
        """


class DenseFactorization(Factorization):
    """The inverse of ``y = x Wᵀ``."""

    def solve(self, outputs: Tensor, forward_inputs: Tensor) -> Tensor:
        """Return ``outputs @ inverse(W).T``, shape (batch, inputs)."""
        return self.matrix.solve(outputs)


class PatchFactorization(Factorization):
    """The inverse of a convolution patch by patch.

    Each position's channels give back the patch they were computed from. A pixel in c patches gets the sum of its c
    reconstructions less (c - 1) times what it was on the way forward, so that deviations add up as they do under the
    transposed convolution. Dividing by c instead would shrink them.

    Source: the paper on GAIT-prop for ImageNet, section 2.2.2; zeros around the image are left out.
    """

    def __init__(self, matrix: Square, kernel: int, slide: dict[str, int], extra_padding: int = 0) -> None:
        super().__init__(matrix)
        self.kernel = kernel
        self.slide = slide
        self.extra_padding = extra_padding

    def solve(self, outputs: Tensor, forward_inputs: Tensor) -> Tensor:
        """Return the images, shape (batch, input channels, height, width)."""
        batch, channels, *positions = outputs.shape
        columns = outputs.flatten(2).transpose(0, 1).reshape(channels, -1)
        patches = self.matrix.solve_columns(columns).view(channels, batch, -1).transpose(0, 1)
        size = tuple(forward_inputs.shape[2:])
        summed = self._folded(patches, size)
        one = outputs.new_ones(1, self.kernel**2, positions[0] * positions[1])
        surplus = self._folded(one, size).sub_(1)
        return summed.addcmul_(surplus, forward_inputs.to(summed.dtype), value=-1)

    def _folded(self, patches: Tensor, size: tuple[int, ...]) -> Tensor:
        """Return what patches add up to at each pixel of an image of this size."""
        extra = self.extra_padding
        folded = F.fold(patches, (size[0] + extra, size[1] + extra), self.kernel, **self.slide)
        return folded[:, :, : size[0], : size[1]]
