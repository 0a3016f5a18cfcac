"""Nonlinearities, and how a cotangent passes back through each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchsuite.spec.architecture import Activation


@dataclass(frozen=True)
class Nonlinearity:
    """A function of one number, applied to each.

    Attributes:
        apply: leaves its argument as it is.
        apply_in_place: overwrites its argument where it can, else the same as ``apply``. Within a segment nobody else
            needs the map's (or the norm's) output: a pass over memory and a third of the activations' memory are saved.
            A gradient hook on the tensor from before still gets its own gradient.
        pull_back: (cotangent at the output, output) to the cotangent at the input, where the output says enough; None
            where it does not and autograd is needed.
    """

    apply: Callable[[Tensor], Tensor]
    apply_in_place: Callable[[Tensor], Tensor]
    pull_back: Callable[[Tensor, Tensor], Tensor] | None


# torch's own default; the derivative must have the same.
LEAKY_SLOPE = 0.01


def _identity(values: Tensor) -> Tensor:
    return values


def _through_relu(cotangent: Tensor, output: Tensor) -> Tensor:
    pulled: Tensor = torch.ops.aten.threshold_backward(cotangent, output, 0)
    return pulled


def _through_leaky_relu(cotangent: Tensor, output: Tensor) -> Tensor:
    pulled: Tensor = torch.ops.aten.leaky_relu_backward(cotangent, output, LEAKY_SLOPE, True)
    return pulled


def _through_tanh(cotangent: Tensor, output: Tensor) -> Tensor:
    pulled: Tensor = torch.ops.aten.tanh_backward(cotangent, output)
    return pulled


def _through_sigmoid(cotangent: Tensor, output: Tensor) -> Tensor:
    pulled: Tensor = torch.ops.aten.sigmoid_backward(cotangent, output)
    return pulled


def _through_identity(cotangent: Tensor, _output: Tensor) -> Tensor:
    return cotangent


NONLINEARITIES: dict[Activation, Nonlinearity] = {
    "relu": Nonlinearity(torch.relu, torch.relu_, _through_relu),
    "leaky_relu": Nonlinearity(F.leaky_relu, F.leaky_relu_, _through_leaky_relu),
    "tanh": Nonlinearity(torch.tanh, torch.tanh, _through_tanh),
    "sigmoid": Nonlinearity(torch.sigmoid, torch.sigmoid, _through_sigmoid),
    "softplus": Nonlinearity(F.softplus, F.softplus, None),
    "gelu": Nonlinearity(F.gelu, F.gelu, None),
    "identity": Nonlinearity(_identity, _identity, _through_identity),
}
"""By the name that specs use."""
