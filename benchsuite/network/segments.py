"""Segments and what lies between them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from benchsuite.network.maps import LinearMap
from benchsuite.spec.architecture import Activation, NormOrder


def _identity(values: Tensor) -> Tensor:
    return values


# Those that can work in place do: the map's (or norm's) output is needed by nobody else, and a pass over memory and a
# third of the activations' memory are saved. A hook on the tensor from before still gets its own gradient.
ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_,
    "leaky_relu": F.leaky_relu_,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "identity": _identity,
}


class Segment(nn.Module):
    """One linear map with its normalisation and nonlinearity; its output is where credit is placed.

    Attributes:
        map: the linear map.
        norm: batch normalisation or None. Credit passes through it exactly, whatever the rule.
        activation: the nonlinearity, a function.
        norm_order: whether the norm comes before the nonlinearity or after it.

    """

    def __init__(
        self, linear_map: LinearMap, activation: Activation, norm: nn.Module | None, norm_order: NormOrder
    ) -> None:
        super().__init__()
        self.map = linear_map
        self.norm = norm
        self.activation_name = activation
        self.activation = ACTIVATIONS[activation]
        self.norm_order = norm_order

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the segment's output."""
        return self.respond(self.map(inputs))

    def respond(self, pre_activation: Tensor) -> Tensor:
        """Return the output for a given output of the map: norm and nonlinearity in their order."""
        if self.norm is None:
            return self.activation(pre_activation)
        if self.norm_order == "norm_first":
            return self.activation(self.norm(pre_activation))
        normed: Tensor = self.norm(self.activation(pre_activation))
        return normed


class Dropout(nn.Module):
    """Inverted dropout with a random stream of its own, so that no other draw shifts it.

    Attributes:
        generator: on the device of the activations; set by the harness before training. None draws from torch's global
            stream, for a network used on its own.

    """

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability
        self.generator: Generator | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs, in training with some set to zero and the rest scaled up."""
        if not self.training or self.probability == 0:
            return inputs
        keep = 1 - self.probability
        return inputs * torch.empty_like(inputs).bernoulli_(keep, generator=self.generator).div_(keep)
