"""Pooling, in whichever order images lie in memory."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from benchsuite.networks.memory_order import over_one_image


class MaxPool(nn.MaxPool2d):
    """torch's max pooling, for both orders of memory."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the windows' maxima."""
        return over_one_image(super().forward, inputs)


class AveragePool(nn.AvgPool2d):
    """torch's average pooling, for both orders of memory."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the windows' means."""
        return over_one_image(super().forward, inputs)


class PaddedMaxPool(nn.Module):
    """Max pooling of an image with as much of ``fill`` at each edge as it is told.

    Of equal maxima in a window one gets the credit, as everywhere in torch; the URFB authors' code gives it to all of
    them. In their networks ties are mostly of saturated units, through which none passes.

    Attributes:
        edges: widths left, right, top, bottom.
        fill: takes part in the maximum.

    """

    def __init__(self, size: int, stride: int, edges: tuple[int, int, int, int], fill: float) -> None:
        super().__init__()
        self.size = size
        self.stride = stride
        self.edges = edges
        self.fill = fill

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the windows' maxima."""
        return over_one_image(self._pooled, inputs)

    def _pooled(self, inputs: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(inputs, self.edges, value=self.fill), self.size, self.stride)
