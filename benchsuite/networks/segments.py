"""Segments and the layers between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchsuite.networks.maps import Factorization, LinearMap
from benchsuite.networks.memory_order import flattened
from benchsuite.networks.nonlinearity import nonlinearity_of
from benchsuite.networks.shapes.custom import CustomActivation
from benchsuite.specs.models.activation import Activation
from benchsuite.specs.models.architecture import NormOrder

Spread = Literal["value", "channel", "example", "batch"]
"""The part of a batch that one random draw of dropout covers."""
ProbeNorm = Literal["bypass", "batch_statistics"]
"""Treatment of batch norm when a segment gets inputs that are not data."""


class Segment(nn.Module):
    """One linear map with its normalisation and nonlinearity; credit is assigned at its output.

    Attributes:
        map: the linear map.
        norm: normalisation or None. Credit passes through it exactly, whatever the rule.
        nonlinearity: the function and its backward pass.
        norm_order: order of norm and nonlinearity.
        frozen: True if parameters and running averages no longer change; see ``freeze``.
    """

    def __init__(
        self,
        linear_map: LinearMap,
        activation: Activation | CustomActivation,
        norm: nn.Module | None,
        norm_order: NormOrder,
    ) -> None:
        super().__init__()
        self.map = linear_map
        self.norm = norm
        self.nonlinearity = nonlinearity_of(activation)
        self.norm_order = norm_order
        self.frozen = False

    def freeze(self) -> None:
        """Freeze the segment: its parameters get no gradients, and its norm stays in evaluation mode."""
        self.frozen = True
        self.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Segment:
        """Set training or evaluation mode; a frozen segment's norm stays in evaluation mode."""
        super().train(mode)
        if self.frozen and self.norm is not None:
            self.norm.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the segment's output."""
        return self._finish(self.map(inputs), self.nonlinearity.apply_in_place)

    def respond(self, pre_activation: Tensor) -> Tensor:
        """Return the segment's output for a given output of the map, which is not changed."""
        return self._finish(pre_activation, self.nonlinearity.apply)

    def probe(self, inputs: Tensor, *, with_bias: bool = True, norm: ProbeNorm = "bypass") -> Tensor:
        """Return the output for inputs that are not data, such as noise, without updating running averages.

        Args:
            inputs: in the shape of the segment's input, with a batch axis.
            with_bias: whether to add the map's bias.
            norm: ``bypass`` skips the norm; ``batch_statistics`` uses the statistics of these inputs.
        """
        bias = self.map.bias if with_bias else None
        values = self.map.apply_weight(inputs, self.map.weight, bias)
        if self.norm is None or norm == "bypass":
            return self.nonlinearity.apply_in_place(values)
        if self.norm_order == "norm_first":
            return self.nonlinearity.apply_in_place(self._normalise_apart(values))
        return self._normalise_apart(self.nonlinearity.apply_in_place(values))

    def _normalise_apart(self, values: Tensor) -> Tensor:
        if not isinstance(self.norm, nn.modules.batchnorm._BatchNorm):
            assert self.norm is not None  # noqa: S101 - the caller has asked
            alone: Tensor = self.norm(values)  # of each example alone, without running averages
            return alone
        return F.batch_norm(values, None, None, self.norm.weight, self.norm.bias, training=True, eps=self.norm.eps)

    @property
    def pulls_back_by_output(self) -> bool:
        """True if the output alone determines the backward pass to the map: no norm, and ``pull_back`` is defined."""
        return self.norm is None and self.nonlinearity.pull_back is not None

    def pull_back_to_map(self, credit: Tensor, output: Tensor) -> Tensor:
        """Return credit at the map's output for credit at the segment's output; requires ``pulls_back_by_output``."""
        assert self.nonlinearity.pull_back is not None  # noqa: S101 - the caller has asked
        return self.nonlinearity.pull_back(credit, output)

    def invert(self, outputs: Tensor, factorization: Factorization, forward_inputs: Tensor) -> Tensor:
        """Return the inputs for which the segment gives these outputs; only in an invertible network.

        Args:
            outputs: all outputs, auxiliary ones included.
            factorization: factorization of the map's weight, in the dtype of the outputs.
            forward_inputs: the inputs of the forward pass, for pixels in several patches; see ``Factorization``.
        """
        assert self.nonlinearity.invert is not None  # noqa: S101 - invertible networks have no other
        values = self.nonlinearity.invert(outputs)
        if self.map.bias is not None:
            values = values - self.map.bias.to(values.dtype).view(-1, *[1] * (values.dim() - 2))
        return factorization.solve(values, forward_inputs)

    def invert_difference(
        self, difference: Tensor, outputs: Tensor, factorization: Factorization, forward_inputs: Tensor
    ) -> Tensor:
        """Return how far the inputs for ``outputs`` are from those for ``outputs - difference``.

        Equal to ``forward_inputs - invert(outputs - difference, …)`` at the outputs of the forward pass, but computed
        from the difference alone: its digits do not depend on how small it is beside the outputs.

        Args:
            difference: output minus target, in the shape and dtype of the outputs.
            outputs: all outputs of the forward pass, auxiliary ones included; they tell the side of a kink.
            factorization: factorization of the map's weight, in the dtype of the outputs.
            forward_inputs: the inputs of the forward pass; only their shape matters.
        """
        assert self.nonlinearity.invert_difference is not None  # noqa: S101 - invertible networks have no other
        values = self.nonlinearity.invert_difference(difference, outputs)
        return factorization.solve_difference(values, forward_inputs.shape)

    def _finish(self, values: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm is None:
            return activation(values)
        if self.norm_order == "norm_first":
            return activation(self.norm(values))
        normed: Tensor = self.norm(activation(values))
        return normed


class Sum(nn.Module):
    """Sum of several nodes' outputs; credit passes to each of them unchanged."""

    def forward(self, *terms: Tensor) -> Tensor:
        """Return the terms added in the order given."""
        total, *others = terms
        for term in others:
            total = total + term
        return total


class Activate(nn.Module):
    """A nonlinearity between segments; credit passes through it exactly.

    Attributes:
        in_place: whether it may overwrite its input; only if nothing else needs the input.

    """

    def __init__(self, activation: Activation, in_place: bool) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity_of(activation)
        self.in_place = in_place

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the function of each element."""
        return (self.nonlinearity.apply_in_place if self.in_place else self.nonlinearity.apply)(inputs)


class Flatten(nn.Module):
    """Flatten examples to vectors, in either memory layout."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return shape (batch, inputs) for (batch, ...)."""
        return flattened(inputs)


class GlobalAveragePool(nn.Module):
    """Mean of each channel over all positions."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return shape (batch, channels) for (batch, channels, height, width)."""
        return inputs.mean((2, 3))


class Subsample(nn.Module):
    """Keep every ``stride``-th position and append channels of zeros.

    Attributes:
        stride: step along both axes, from the first position on.
        added: number of channels to append.

    """

    def __init__(self, stride: int, added: int) -> None:
        super().__init__()
        self.stride = stride
        self.added = added

    def forward(self, inputs: Tensor) -> Tensor:
        """Return shape (batch, channels + added, ceil(height / stride), ceil(width / stride))."""
        return F.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


class Leading(nn.Module):
    """Keep the first ``outputs`` units or channels; credit for the others is zero."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the leading part of axis 1, as a view."""
        return inputs[:, : self.outputs]


class Dropout(nn.Module):
    """Inverted dropout with its own random stream, which no other random draw shifts.

    Attributes:
        generator: random stream on the device of the activations; set by the harness before training. None means
            torch's global stream, for a network used on its own.
        spread: what one draw drops or keeps: a value, a whole channel, an example or the batch.
        holds_mask: whether to reuse the next mask drawn in all later forward passes; see ``Network.repeated``.

    """

    def __init__(self, probability: float, spread: Spread = "value") -> None:
        super().__init__()
        self.probability = probability
        self.spread = spread
        self.generator: Generator | None = None
        self.holds_mask = False
        self._held: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs; in training some are set to zero and the rest scaled up."""
        if not self.training or self.probability == 0:
            return inputs
        if self._held is not None:
            return inputs * self._held
        keep = 1 - self.probability
        mask = self._blank(inputs).bernoulli_(keep, generator=self.generator).div_(keep)
        if self.holds_mask:
            self._held = mask
        return inputs * mask

    def _blank(self, inputs: Tensor) -> Tensor:
        if self.spread == "value":
            return torch.empty_like(inputs)
        own = {"channel": 2, "example": 1, "batch": 0}[self.spread]
        return inputs.new_empty((*inputs.shape[:own], *[1] * (inputs.dim() - own)))

    def release(self) -> None:
        """Drop the held mask; draw a new one in every forward pass again."""
        self.holds_mask, self._held = False, None
