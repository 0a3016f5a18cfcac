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


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": F.leaky_relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "identity": _identity,
}

# Within a segment nobody else needs the map's (or the norm's) output, so what can be done in place is: a pass over
# memory and a third of the activations' memory are saved. A gradient hook on the tensor from before still gets its own
# gradient, but whoever wants the pre-activation's values must copy them.
IN_PLACE: dict[Activation, Callable[[Tensor], Tensor]] = {"relu": torch.relu_, "leaky_relu": F.leaky_relu_}


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
        self._activation_in_place = IN_PLACE.get(activation, self.activation)
        self.norm_order = norm_order

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the segment's output."""
        return self._finish(self.map(inputs), self._activation_in_place)

    def respond(self, pre_activation: Tensor) -> Tensor:
        """Return the output for a given output of the map, which is left as it is."""
        return self._finish(pre_activation, self.activation)

    def _finish(self, values: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
        if self.norm is None:
            return activation(values)
        if self.norm_order == "norm_first":
            return activation(self.norm(values))
        normed: Tensor = self.norm(activation(values))
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
