"""Pooling layers for both memory layouts of images."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from benchsuite.networks.memory_order import over_one_image


class MaxPool(nn.MaxPool2d):
    """torch's max pooling for both memory layouts."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maximum of each window, shape (batch, channels, height', width')."""
        return over_one_image(super().forward, inputs)


class AveragePool(nn.AvgPool2d):
    """torch's average pooling for both memory layouts."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the mean of each window, shape (batch, channels, height', width')."""
        return over_one_image(super().forward, inputs)


class PaddedMaxPool(nn.Module):
    """Max pooling of an image padded with ``fill``, each edge by its own width.

    If a window has several equal maxima, one of them gets the credit, as everywhere in torch. The URFB authors' code
    gives it to all of them. In their networks ties are mostly between saturated units, which pass no credit on.

    Attributes:
        edges: widths of the padding at the left, right, top and bottom.
        fill: value of the padding; it takes part in the maximum.

    """

    def __init__(self, size: int, stride: int, edges: tuple[int, int, int, int], fill: float) -> None:
        super().__init__()
        self.size = size
        self.stride = stride
        self.edges = edges
        self.fill = fill

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the maximum of each window, shape (batch, channels, height', width')."""
        return over_one_image(self._pooled, inputs)

    def _pooled(self, inputs: Tensor) -> Tensor:
        return F.max_pool2d(F.pad(inputs, self.edges, value=self.fill), self.size, self.stride)
