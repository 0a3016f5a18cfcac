"""Nonlinearities and their backward passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchsuite.networks.shapes.custom import CustomActivation
from benchsuite.specs.models.activation import Activation, ActivationName


@dataclass(frozen=True)
class Nonlinearity:
    """An elementwise function.

    Attributes:
        apply: returns a new tensor and does not change its argument.
        apply_in_place: overwrites its argument if it can, else the same as ``apply``. Within a segment nothing else
            needs the output of the map (or the norm), so this saves a pass over memory and a third of the
            activations' memory. A gradient hook on the overwritten tensor still gets its own gradient.
        pull_back: maps (cotangent at the output, output) to the cotangent at the input; None if the output alone does
            not determine it and autograd is needed.
        invert: the inverse function, defined for every number; None if there is none.
        invert_difference: maps (difference, output) to f⁻¹(output) - f⁻¹(output - difference). It never subtracts two
            near-equal numbers, so a difference far below the rounding of the output keeps all its digits. None if there
            is no inverse.
    """

    apply: Callable[[Tensor], Tensor]
    apply_in_place: Callable[[Tensor], Tensor]
    pull_back: Callable[[Tensor, Tensor], Tensor] | None
    invert: Callable[[Tensor], Tensor] | None = None
    invert_difference: Callable[[Tensor, Tensor], Tensor] | None = None


LEAKY_SLOPE = 0.01
"""Slope below zero if a spec gives none: torch's default."""


def _identity(values: Tensor) -> Tensor:
    return values


def _same_difference(difference: Tensor, _output: Tensor) -> Tensor:
    return difference


def _through_relu(cotangent: Tensor, output: Tensor) -> Tensor:
    pulled: Tensor = torch.ops.aten.threshold_backward(cotangent, output, 0)
    return pulled


def leaky_relu(slope: float) -> Nonlinearity:
    """Return the leaky ReLU with this slope below zero."""
    return Nonlinearity(
        partial(F.leaky_relu, negative_slope=slope),
        partial(F.leaky_relu_, negative_slope=slope),
        partial(_through_leaky_relu, slope=slope),
        partial(F.leaky_relu, negative_slope=1 / slope),
        partial(_difference_before_leaky_relu, slope=slope),
    )


def _difference_before_leaky_relu(difference: Tensor, output: Tensor, slope: float) -> Tensor:
    # Split the difference at zero: the part on the output's side of the kink, and the rest beyond it.
    is_above = output > 0
    near = torch.where(is_above, torch.minimum(difference, output), torch.maximum(difference, output))
    beyond = difference - near  # exactly zero unless the kink is crossed
    return torch.where(is_above, near + beyond / slope, near / slope + beyond)


def _through_leaky_relu(cotangent: Tensor, output: Tensor, slope: float) -> Tensor:
    pulled: Tensor = torch.ops.aten.leaky_relu_backward(cotangent, output, slope, True)
    return pulled


def saturated_linear(slope: float) -> Nonlinearity:
    """Return clip(slope·h, -1, 1).

    Its derivative is the slope strictly between the bounds, and zero at the bounds and beyond. The paper (Amit 2019)
    has 1[|h| <= 1]. But an output of exactly 1 does not tell an input on the bound from one beyond it, so passing
    credit there would pass it for every saturated unit.
    """
    return Nonlinearity(
        partial(_saturate, slope=slope),
        partial(_saturate_in_place, slope=slope),
        partial(_through_saturated, slope=slope),
    )


def _saturate(values: Tensor, slope: float) -> Tensor:
    return F.hardtanh(values if slope == 1 else values * slope)


def _saturate_in_place(values: Tensor, slope: float) -> Tensor:
    return F.hardtanh_(values if slope == 1 else values.mul_(slope))


def _through_saturated(cotangent: Tensor, output: Tensor, slope: float) -> Tensor:
    pulled: Tensor = torch.ops.aten.hardtanh_backward(cotangent, output, -1, 1)
    return pulled if slope == 1 else pulled.mul_(slope)


def _through_hard_sigmoid(cotangent: Tensor, output: Tensor) -> Tensor:
    pulled: Tensor = torch.ops.aten.hardtanh_backward(cotangent, output, 0, 1)
    return pulled


def _through_tanh(cotangent: Tensor, output: Tensor) -> Tensor:
    pulled: Tensor = torch.ops.aten.tanh_backward(cotangent, output)
    return pulled


def _through_sigmoid(cotangent: Tensor, output: Tensor) -> Tensor:
    pulled: Tensor = torch.ops.aten.sigmoid_backward(cotangent, output)
    return pulled


def _through_identity(cotangent: Tensor, _output: Tensor) -> Tensor:
    return cotangent


def _blocked(values: Tensor) -> Tensor:
    """Return the mask of values that the scalar gate sets to zero; NaN passes, so that it is noticed."""
    channels = values.shape[1]
    signs = torch.arange(channels, device=values.device).remainder_(2).mul_(2).sub_(1).to(values.dtype)
    return values.detach() * signs.view(channels, *[1] * (values.dim() - 2)) <= 0


def _scalar_gate(values: Tensor) -> Tensor:
    return values.masked_fill(_blocked(values), 0)


def _scalar_gate_in_place(values: Tensor) -> Tensor:
    # Autograd saves only the mask, which nothing overwrites.
    return values.masked_fill_(_blocked(values), 0)


def _through_scalar_gate(cotangent: Tensor, output: Tensor) -> Tensor:
    return cotangent * (output != 0)


NONLINEARITIES: dict[ActivationName, Nonlinearity] = {
    "relu": Nonlinearity(torch.relu, torch.relu_, _through_relu),
    "leaky_relu": leaky_relu(LEAKY_SLOPE),
    "saturated_linear": saturated_linear(1.0),
    "hard_sigmoid": Nonlinearity(
        partial(F.hardtanh, min_val=0.0, max_val=1.0),
        partial(F.hardtanh_, min_val=0.0, max_val=1.0),
        _through_hard_sigmoid,
    ),
    "tanh": Nonlinearity(torch.tanh, torch.tanh, _through_tanh),
    "sigmoid": Nonlinearity(torch.sigmoid, torch.sigmoid, _through_sigmoid),
    "softplus": Nonlinearity(F.softplus, F.softplus, None),
    "gelu": Nonlinearity(F.gelu, F.gelu, None),
    "identity": Nonlinearity(_identity, _identity, _through_identity, _identity, _same_difference),
    # The authors' gate passes at exactly zero, this one does not. The output is the same.
    "scalar_gate": Nonlinearity(_scalar_gate, _scalar_gate_in_place, _through_scalar_gate),
}
"""Nonlinearities by the name that specs use."""

SLOPED: dict[str, Callable[[float], Nonlinearity]] = {"leaky_relu": leaky_relu, "saturated_linear": saturated_linear}
"""Nonlinearities whose slope a spec may set."""


def nonlinearity_of(activation: Activation | CustomActivation) -> Nonlinearity:
    """Return the nonlinearity that a spec names or gives with its slope, or that a plugin has made."""
    if isinstance(activation, CustomActivation):
        return activation.nonlinearity
    return NONLINEARITIES[activation] if isinstance(activation, str) else SLOPED[activation.kind](activation.slope)
