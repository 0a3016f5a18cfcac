"""Segments and what lies between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchsuite.networks.maps import Factorization, LinearMap
from benchsuite.networks.memory_order import flattened
from benchsuite.networks.nonlinearity import nonlinearity_of
from benchsuite.specs.models.activation import Activation
from benchsuite.specs.models.architecture import NormOrder

Spread = Literal["value", "channel", "example", "batch"]
"""What one draw of a dropout decides."""
ProbeNorm = Literal["bypass", "batch_statistics"]
"""What becomes of batch norm where a segment responds to something that is not data."""


class Segment(nn.Module):
    """One linear map with its normalisation and nonlinearity; its output is where credit is placed.

    Attributes:
        map: the linear map.
        norm: batch normalisation or None. Credit passes through it exactly, whatever the rule.
        nonlinearity: the function, with its way back.
        norm_order: whether the norm comes before the nonlinearity or after it.
        frozen: whether its parameters and running averages stay as they are; see ``freeze``.
    """

    def __init__(
        self, linear_map: LinearMap, activation: Activation, norm: nn.Module | None, norm_order: NormOrder
    ) -> None:
        super().__init__()
        self.map = linear_map
        self.norm = norm
        self.nonlinearity = nonlinearity_of(activation)
        self.norm_order = norm_order
        self.frozen = False

    def freeze(self) -> None:
        """Let nothing in this segment change any more: no gradients, and a norm that evaluates."""
        self.frozen = True
        self.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Segment:
        """Set training or evaluation mode; a frozen segment's norm always evaluates."""
        super().train(mode)
        if self.frozen and self.norm is not None:
            self.norm.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the segment's output."""
        return self._finish(self.map(inputs), self.nonlinearity.apply_in_place)

    def respond(self, pre_activation: Tensor) -> Tensor:
        """Return the output for a given output of the map, which is left as it is."""
        return self._finish(pre_activation, self.nonlinearity.apply)

    def probe(self, inputs: Tensor, *, with_bias: bool = True, norm: ProbeNorm = "bypass") -> Tensor:
        """Return the response to inputs that are not data, such as noise, without a trace in running averages.

        Args:
            inputs: in the shape of the segment's input, with a batch axis.
            with_bias: whether the map's bias is added.
            norm: ``bypass`` leaves the norm out; ``batch_statistics`` takes these inputs' own.
        """
        bias = self.map.bias if with_bias else None
        values = self.map.apply_weight(inputs, self.map.weight, bias)
        if self.norm is None or norm == "bypass":
            return self.nonlinearity.apply_in_place(values)
        if self.norm_order == "norm_first":
            return self.nonlinearity.apply_in_place(self._normalise_apart(values))
        return self._normalise_apart(self.nonlinearity.apply_in_place(values))

    def _normalise_apart(self, values: Tensor) -> Tensor:
        assert isinstance(self.norm, nn.modules.batchnorm._BatchNorm)  # noqa: S101 - the builder makes no other
        return F.batch_norm(values, None, None, self.norm.weight, self.norm.bias, training=True, eps=self.norm.eps)

    @property
    def pulls_back_by_output(self) -> bool:
        """Whether the output alone says how credit passes back to the map: no norm, and a nonlinearity of that kind."""
        return self.norm is None and self.nonlinearity.pull_back is not None

    def pull_back_to_map(self, credit: Tensor, output: Tensor) -> Tensor:
        """Return credit at the map's output for credit at the segment's; only where ``pulls_back_by_output``."""
        assert self.nonlinearity.pull_back is not None  # noqa: S101 - the caller has asked
        return self.nonlinearity.pull_back(credit, output)

    def invert(self, outputs: Tensor, factorization: Factorization, forward_inputs: Tensor) -> Tensor:
        """Return the inputs that the segment answers with these outputs; only in an invertible network.

        Args:
            outputs: all of them, auxiliary ones included.
            factorization: of the map's weight, in the outputs' type.
            forward_inputs: of the forward pass, for what overlapping patches share; see ``Factorization``.
        """
        assert self.nonlinearity.invert is not None  # noqa: S101 - invertible networks have no other
        values = self.nonlinearity.invert(outputs)
        if self.map.bias is not None:
            values = values - self.map.bias.to(values.dtype).view(-1, *[1] * (values.dim() - 2))
        return factorization.solve(values, forward_inputs)

    def _finish(self, values: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm is None:
            return activation(values)
        if self.norm_order == "norm_first":
            return activation(self.norm(values))
        normed: Tensor = self.norm(activation(values))
        return normed


class Sum(nn.Module):
    """The sum of several nodes' outputs; credit passes to each of them unchanged."""

    def forward(self, *terms: Tensor) -> Tensor:
        """Return the terms added in the order given."""
        total, *others = terms
        for term in others:
            total = total + term
        return total


class Activate(nn.Module):
    """A nonlinearity between segments; credit passes through it exactly.

    Attributes:
        in_place: whether it may overwrite what it reads; only where nothing else needs that.

    """

    def __init__(self, activation: Activation, in_place: bool) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity_of(activation)
        self.in_place = in_place

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the function of each number."""
        return (self.nonlinearity.apply_in_place if self.in_place else self.nonlinearity.apply)(inputs)


class Flatten(nn.Module):
    """Examples as vectors, in whichever order they lie in memory."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return shape (batch, inputs) for (batch, ...)."""
        return flattened(inputs)


class GlobalAveragePool(nn.Module):
    """The mean of each channel over all positions."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return shape (batch, channels) for (batch, channels, height, width)."""
        return inputs.mean((2, 3))


class Subsample(nn.Module):
    """Every ``stride``-th position, with channels of zeros added after those there are.

    Attributes:
        stride: along both axes, from the first position on.
        added: how many channels.

    """

    def __init__(self, stride: int, added: int) -> None:
        super().__init__()
        self.stride = stride
        self.added = added

    def forward(self, inputs: Tensor) -> Tensor:
        """Return shape (batch, channels + added, ceil(height / stride), ceil(width / stride))."""
        return F.pad(inputs[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


class Leading(nn.Module):
    """Passes on the first so many units or channels; credit for the others is zero."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the leading part of axis 1, as a view."""
        return inputs[:, : self.outputs]


class Dropout(nn.Module):
    """Inverted dropout with a random stream of its own, so that no other draw shifts it.

    Attributes:
        generator: on the device of the activations; set by the harness before training. None draws from torch's global
            stream, for a network used on its own.
        spread: what one draw decides: a value, a whole channel, an example or the batch.
        holds_mask: whether the next mask that is drawn serves all forward passes from then on; ``Network.repeated``.

    """

    def __init__(self, probability: float, spread: Spread = "value") -> None:
        super().__init__()
        self.probability = probability
        self.spread = spread
        self.generator: Generator | None = None
        self.holds_mask = False
        self._held: Tensor | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs, in training with some set to zero and the rest scaled up."""
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
        """Forget the mask that was held, and draw a new one in every forward pass."""
        self.holds_mask, self._held = False, None
