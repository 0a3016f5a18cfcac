"""Linear maps: the only places where a network has weights that credit is assigned to.

A linear map has three operations that are linear in the weight: apply it, pull a cotangent back to its input *through a
given weight*, and form the weight's gradient from (input, cotangent). What a rule does with feedback weights it does
through the second, so no rule needs to know whether a map is dense or convolutional.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
import torch.nn.grad as conv_gradients
from torch import Tensor, nn

from benchsuite.errors import ShapeError


class LinearMap(nn.Module, ABC):
    """A learnable linear map with a bias; subclasses say what its three operations are.

    Attributes:
        weight: the forward weight W.
        bias: added after the map, or None.
        feedback_weight: if set, cotangents are pulled back through it instead of through W. Same shape as W. Set
            for the length of a forward pass with ``replaced_feedback``.

    """

    kind: ClassVar[str]
    """The map's name in traits and outlines, e.g. ``dense``."""

    def __init__(self, weight_shape: tuple[int, ...], units: int, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(weight_shape))
        self.bias = nn.Parameter(torch.zeros(units)) if bias else None
        self.feedback_weight: Tensor | None = None

    # --- the contract ---

    @property
    @abstractmethod
    def fan_in(self) -> int:
        """How many inputs one output sums over."""

    @property
    @abstractmethod
    def fan_out(self) -> int:
        """How many outputs one input reaches."""

    @abstractmethod
    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the map's output for ``inputs`` under ``weight``."""

    @abstractmethod
    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the cotangent at the input for one at the output: the transposed map under ``weight``."""

    @abstractmethod
    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        """Return the gradient of ``<cotangent, map(inputs)>`` by the weight; shape of the weight."""

    @abstractmethod
    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        """Return the gradient of ``<cotangent, map(inputs)>`` by the bias; shape (units,)."""

    # --- what follows from it ---

    def backward_through(
        self, inputs: Tensor, cotangent: Tensor, weight: Tensor, needs_input: bool
    ) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Return the cotangent at the input through ``weight``, the weight's and the bias's gradient.

        One call for all three, so that a map whose library offers them fused can override it.
        """
        pulled = self.pull_back(cotangent, weight, inputs.shape) if needs_input else None
        bias_gradient = self.bias_gradient(cotangent) if self.bias is not None else None
        return pulled, self.weight_gradient(inputs, cotangent), bias_gradient

    def add_gradients(self, inputs: Tensor, cotangent: Tensor) -> None:
        """Add the weight's and the bias's gradient for a cotangent at the output to ``.grad``, in the weight's type."""
        with torch.no_grad():
            _, *gradients = self.backward_through(inputs.to(cotangent.dtype), cotangent, self.weight, False)
            for parameter, gradient in zip((self.weight, self.bias), gradients, strict=True):
                if parameter is not None and gradient is not None and parameter.requires_grad:
                    gradient = gradient.to(parameter.dtype)
                    parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the map's output; backward goes through ``feedback_weight`` where one is set."""
        if self.feedback_weight is None:
            return self.apply_weight(inputs, self.weight, self.bias)
        output: Tensor = _ReplacedFeedback.apply(inputs, self.weight, self.bias, self.feedback_weight, self)
        return output


class _ReplacedFeedback(torch.autograd.Function):
    """Forward through the weight, backward through the feedback weight.

    ``forward`` takes ``ctx`` itself: with a separate ``setup_context`` the same function costs 4 % more of a whole
    training step on 784-1024-512-10 (torch 2.15, CPU).
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, feedback_weight: Tensor, linear_map: LinearMap
    ) -> Tensor:
        ctx.save_for_backward(inputs, feedback_weight)
        ctx.linear_map = linear_map
        return linear_map.apply_weight(inputs, weight, bias)

    @staticmethod
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor | None, ...]:
        inputs, feedback_weight = ctx.saved_tensors
        # Under autocast the cotangent comes in the narrow type while the saved tensors are wide; autograd casts what is
        # returned back to each input's own type.
        pulled, weight_gradient, bias_gradient = ctx.linear_map.backward_through(
            inputs.to(cotangent.dtype), cotangent, feedback_weight.to(cotangent.dtype), ctx.needs_input_grad[0]
        )
        return pulled, weight_gradient, bias_gradient, None, None


class Dense(LinearMap):
    """``y = x Wᵀ + b`` with W of shape (units, inputs)."""

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
        """Return ``inputs @ weight.T + bias``, shape (batch, units)."""
        return F.linear(inputs, weight, bias)

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return ``cotangent @ weight``, shape (batch, inputs)."""
        return cotangent.mm(weight)

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        """Return ``cotangent.T @ inputs``, shape (units, inputs)."""
        return cotangent.t().mm(inputs)

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        """Return the sum over the batch, shape (units,)."""
        return cotangent.sum(0)


class Conv2d(LinearMap):
    """2-D cross-correlation with W of shape (channels, input channels / groups, kernel, kernel)."""

    kind = "conv2d"

    def __init__(
        self,
        input_channels: int,
        channels: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__((channels, input_channels // groups, kernel, kernel), channels, bias)
        self.geometry: dict[str, int] = {
            "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
        }  # fmt: skip

    @property
    def fan_in(self) -> int:
        """Input channels of a group times the kernel's area."""
        return self.weight[0].numel()

    @property
    def fan_out(self) -> int:
        """Channels of a group times the kernel's area; strides left out. Without groups it is torch.nn.init's count."""
        return self.weight.shape[0] // self.geometry["groups"] * self.weight[0, 0].numel()

    def apply_weight(self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the cross-correlation, shape (batch, channels, height', width')."""
        return F.conv2d(inputs, weight, bias, **self.geometry)

    def pull_back(self, cotangent: Tensor, weight: Tensor, input_shape: torch.Size) -> Tensor:
        """Return the transposed convolution of the cotangent, in the shape of the input."""
        pulled: Tensor = conv_gradients.conv2d_input(  # type: ignore[no-untyped-call]
            input_shape, weight, cotangent, **self.geometry
        )
        return pulled

    def weight_gradient(self, inputs: Tensor, cotangent: Tensor) -> Tensor:
        """Return the correlation of input and cotangent, in the shape of the weight."""
        gradient: Tensor = conv_gradients.conv2d_weight(  # type: ignore[no-untyped-call]
            inputs, self.weight.shape, cotangent, **self.geometry
        )
        return gradient

    def bias_gradient(self, cotangent: Tensor) -> Tensor:
        """Return the sum over batch and positions, shape (channels,)."""
        return cotangent.sum((0, 2, 3))

    def backward_through(
        self, inputs: Tensor, cotangent: Tensor, weight: Tensor, needs_input: bool
    ) -> tuple[Tensor | None, Tensor, Tensor | None]:
        """Return all three from torch's one fused call; its input gradient uses the weight it is given."""
        pair = [[self.geometry[k]] * 2 for k in ("stride", "padding", "dilation")]
        bias_size = None if self.bias is None else [self.bias.shape[0]]
        result: tuple[Tensor | None, Tensor, Tensor | None] = torch.ops.aten.convolution_backward(
            cotangent, inputs, weight, bias_size, *pair, False, [0, 0], self.geometry["groups"],
            [needs_input, True, self.bias is not None],
        )  # fmt: skip
        return result


@contextmanager
def replaced_feedback(maps: Mapping[str, LinearMap], feedback_weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Pull cotangents back through these weights instead of the maps' own, for forward passes within the block.

    Blocks may be nested; what an outer one had set is there again when an inner one ends.

    Args:
        maps: the network's maps by segment name.
        feedback_weights: by segment name, in the shape of the map's weight; a segment that is not named keeps what it
            has.

    Raises:
        ShapeError: if a name is not a segment, or a weight has not the shape of its map's; nothing is replaced then.
    """
    for name, feedback_weight in feedback_weights.items():
        if name not in maps:
            raise ShapeError(f"feedback weight for '{name}': no such segment; there are {', '.join(maps)}")
        if feedback_weight.shape != maps[name].weight.shape:
            shapes = f"shape {tuple(feedback_weight.shape)}, its weight {tuple(maps[name].weight.shape)}"
            raise ShapeError(f"feedback weight for '{name}' has {shapes}")
    before = {name: maps[name].feedback_weight for name in feedback_weights}
    for name, feedback_weight in feedback_weights.items():
        maps[name].feedback_weight = feedback_weight
    try:
        yield
    finally:
        for name, earlier in before.items():
            maps[name].feedback_weight = earlier
