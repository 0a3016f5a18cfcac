"""Locally connected maps: convolutions with a different filter at every position."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from benchsuite.networks.maps.linear_map import LinearMap, through_feedback
from benchsuite.networks.memory_order import by_position


class LocallyConnected2d(LinearMap):
    """A convolution without weight sharing.

    ``y[b,o,p] = Σ_{c,u,v} W[p,o,(c,u,v)] x[b,c,s·p + (u,v) - pad] + bias[o,p]``.

    The weight has shape (positions, channels, fan_in), with positions and fan-in in the order of ``F.unfold``. Each of
    the three operations is one batched matrix product over the positions, with the batch as the fastest axis of its
    operands. Patches are then copied in runs of a whole batch, which took a fifth of the time of ``F.unfold`` plus the
    transposition of its result (128 images, 32 channels of 14x14, 3x3; torch 2.15, one core). Outputs and pulled-back
    cotangents keep that memory layout; inputs may have either. See ``memory_order``.

    Attributes:
        replicated: whether all positions start with the same filter (Amit 2019's code) instead of independent ones.
            Training may make them differ.

    """

    kind = "locally_connected2d"

    def __init__(
        self,
        input_channels: int,
        channels: int,
        kernel: int,
        height: int,
        width: int,
        stride: int = 1,
        padding: int = 0,
        replicated: bool = False,
        bias: bool = True,
        extra_padding: int = 0,
    ) -> None:
        """Create a map for inputs of one size.

        Args:
            input_channels: channels of the input.
            channels: channels of the output.
            kernel: side of the square of inputs per output.
            height: height of the input.
            width: width of the input.
            stride: step between neighbouring positions.
            padding: zeros on all four sides.
            replicated: see the class.
            bias: whether to add a bias per channel and position.
            extra_padding: extra zeros at the bottom and right.

        """
        rows, columns = ((n + 2 * padding + extra_padding - kernel) // stride + 1 for n in (height, width))
        weight_shape = (rows * columns, channels, input_channels * kernel**2)
        super().__init__(weight_shape, (channels, rows, columns), bias)
        self.output_size = (rows, columns)
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.extra_padding = extra_padding
        self.replicated = replicated

    @property
    def fan_in(self) -> int:
        """Input channels times the kernel's area."""
        return self.weight.shape[2]

    @property
    def fan_out(self) -> int:
        """Channels times the kernel's area, as for a convolution; strides ignored."""
        return self.weight.shape[1] * self.kernel**2

    def draw(self, fill: Callable[[Tensor], object], fill_bias: Callable[[Tensor], object] | None) -> None:
        """Draw the filters position by position or, if replicated, one bank with its biases for all positions."""
        with torch.no_grad():
            if not self.replicated:
                for filters in self.weight:
                    fill(filters)
                if fill_bias is not None and self.bias is not None:
                    fill_bias(self.bias)
                return
            filters = torch.empty_like(self.weight[0])
            fill(filters)
            self.weight.copy_(filters)
            if fill_bias is not None and self.bias is not None:
                biases = torch.empty_like(self.bias[:, 0, 0])
                fill_bias(biases)
                self.bias.copy_(biases[:, None, None])

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the map's output; the backward pass is always this module's own: autograd takes five times as long."""
        feedback_weight = self.weight.detach() if self.feedback_weight is None else self.feedback_weight
        return through_feedback(inputs, self, feedback_weight)

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the weighted sums of each position, shape (batch, channels, height', width'), batch fastest."""
        patches = self._patches(inputs)
        if bias is None:
            outputs = torch.bmm(weight, patches)  # (positions, channels, batch)
        else:
            outputs = torch.baddbmm(bias.flatten(1).t().unsqueeze(2), weight, patches)
        (rows, columns), (_, channels, batch) = self.output_size, outputs.shape
        shape, strides = (batch, channels, rows, columns), (1, batch, columns * channels * batch, channels * batch)
        # Without a graph the strides are changed in place, since a nonlinearity may not overwrite a view that a
        # Function returns.
        return outputs.as_strided(shape, strides) if outputs.requires_grad else outputs.as_strided_(shape, strides)

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return each position's cotangent spread over its patch, in the shape of the input, batch fastest."""
        batch, channels, height, width = input_shape
        (rows, columns), stride, pad = self.output_size, self.stride, self.padding
        at_patches = torch.bmm(weight.transpose(1, 2), self._by_position(cotangent))  # (positions, fan_in, batch)
        at_patches = at_patches.view(rows, columns, channels, self.kernel, self.kernel, batch)
        around = 2 * pad + self.extra_padding
        padded = cotangent.new_zeros(height + around, width + around, channels, batch)
        # One addition per place in the kernel. F.fold needs the batch slowest, which costs a transposition of all
        # patches.
        for u in range(self.kernel):
            for v in range(self.kernel):
                seen = padded[u : u + stride * (rows - 1) + 1 : stride, v : v + stride * (columns - 1) + 1 : stride]
                seen.add_(at_patches[:, :, :, u, v])
        return padded[pad : pad + height, pad : pad + width].contiguous().permute(3, 2, 0, 1)

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        """Return, per position, the sum over the batch of cotangent times patch; shape of the weight."""
        return torch.bmm(self._by_position(cotangent), self._patches(inputs).transpose(1, 2))

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        """Return the sum over the batch, shape (channels, height', width')."""
        return cotangent.sum(0)

    def _patches(self, inputs: Tensor) -> Tensor:
        """Return the patch of each position, shape (positions, fan_in, batch)."""
        images = by_position(inputs)
        before, after = self.padding, self.padding + self.extra_padding
        if after:
            images = F.pad(images, (0, 0, 0, 0, before, after, before, after))
        windows = images.unfold(0, self.kernel, self.stride).unfold(1, self.kernel, self.stride)
        return windows.permute(0, 1, 2, 4, 5, 3).reshape(len(self.weight), self.fan_in, len(inputs))

    @staticmethod
    def _by_position(cotangent: Tensor) -> Tensor:
        """Return the cotangent as (positions, channels, batch)."""
        return by_position(cotangent).flatten(0, 1)
