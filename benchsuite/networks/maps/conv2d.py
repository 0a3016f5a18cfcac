"""2-D convolution."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
import torch.nn.grad as conv_gradients
from torch import Tensor

from benchsuite.errors import ShapeError
from benchsuite.networks.maps.factorization import PatchFactorization, Square
from benchsuite.networks.maps.linear_map import LinearMap

Sizes = int | tuple[int, int]
"""One size for both axes, or (height, width)."""


class Conv2d(LinearMap):
    """2-D cross-correlation with W of shape (channels, input channels / groups, kernel height, kernel width)."""

    kind = "conv2d"

    def __init__(
        self,
        input_channels: int,
        channels: int,
        kernel: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        extra_padding: int = 0,
    ) -> None:
        super().__init__((channels, input_channels // groups, *_pair(kernel)), channels, bias)
        self.geometry: dict[str, Any] = {
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
            "groups": groups,
        }
        # Lists with one size per axis, as torch's fused backward needs them.
        self._pairs = [list(_pair(size)) for size in (stride, padding, dilation)]
        # Extra zeros at the bottom and right: TensorFlow's SAME padding for an even kernel.
        self.extra_padding = extra_padding

    @property
    def fan_in(self) -> int:
        """Input channels per group times the kernel's area."""
        return self.weight[0].numel()

    @property
    def fan_out(self) -> int:
        """Channels per group times the kernel's area, strides ignored; without groups the same as in torch.nn.init."""
        groups: int = self.geometry["groups"]
        return self.weight.shape[0] // groups * self.weight[0, 0].numel()

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the cross-correlation, shape (batch, channels, height', width')."""
        return F.conv2d(self._padded(inputs), weight, bias, **self.geometry)

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the transposed convolution of the cotangent, shape ``input_shape``."""
        batch, channels, height, width = input_shape
        padded_shape = (batch, channels, height + self.extra_padding, width + self.extra_padding)
        pulled: Tensor = conv_gradients.conv2d_input(  # type: ignore[no-untyped-call]
            padded_shape, weight, cotangent, **self.geometry
        )
        return pulled[:, :, :height, :width]

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        """Return the correlation of input and cotangent, shape of the weight."""
        gradient: Tensor = conv_gradients.conv2d_weight(  # type: ignore[no-untyped-call]
            self._padded(inputs), self.weight.shape, cotangent, **self.geometry
        )
        return gradient

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        """Return the sum over batch and positions, shape (channels,)."""
        return cotangent.sum((0, 2, 3))

    def backward_through(
        self, inputs: Tensor, cotangent: Tensor, weight: Tensor, needs_input: bool
    ) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Return all three from torch's fused call, whose input gradient uses the ``weight`` passed to it."""
        bias_size = None if self.bias is None else [self.bias.shape[0]]
        pulled, weight_gradient, bias_gradient = torch.ops.aten.convolution_backward(
            cotangent,
            self._padded(inputs),
            weight,
            bias_size,
            *self._pairs,
            False,
            [0, 0],
            self.geometry["groups"],
            [needs_input, True, self.bias is not None],
        )
        if pulled is not None and self.extra_padding:
            pulled = pulled[:, :, : inputs.shape[2], : inputs.shape[3]]
        return pulled, weight_gradient, bias_gradient

    def factorize(self, weight: Tensor) -> PatchFactorization:
        """Return the inverse patch by patch, for a kernel with as many channels as a patch has values.

        Raises:
            ShapeError: if the kernel is not square in this sense, or there are groups.
        """
        if self.geometry["groups"] > 1:
            raise ShapeError(f"a convolution in {self.geometry['groups']} groups has no square matrix, so no inverse")
        slide = {k: self.geometry[k] for k in ("stride", "padding", "dilation")}
        return PatchFactorization(Square(weight.flatten(1)), weight.shape[2], slide, self.extra_padding)

    def _padded(self, inputs: Tensor) -> Tensor:
        return F.pad(inputs, (0, self.extra_padding, 0, self.extra_padding)) if self.extra_padding else inputs


def _pair(size: Sizes) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size
