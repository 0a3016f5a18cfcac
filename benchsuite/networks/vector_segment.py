"""Segments of vector units, and what lies between them."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from benchsuite.networks.maps.vectorized import VectorMap, part
from benchsuite.networks.segments import Segment
from benchsuite.specs.models.architecture import BinaryCode, OutputCode


class VectorSegment(Segment):
    """A linear map to vector units, each of which passes its vector on or not: ``a = G h`` with ``G = 1[t·h >= 0]``.

    The gate is one bit a unit, shared by its components, so a nonlinear network stays linear in the components: credit
    at any unit is one number times the output error (Clark et al. 2021, eqs 6 to 8).

    Attributes:
        gating_vectors: t, shape (channels, K), fixed; None for linear units.

    """

    gating_vectors: Tensor | None
    map: VectorMap

    def __init__(self, linear_map: VectorMap, gating_vectors: Tensor | None) -> None:
        super().__init__(linear_map, "identity", None, "norm_first")
        self.register_buffer("gating_vectors", gating_vectors)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the vector activations, shape (batch, K, channels, ...)."""
        return self.respond(self.map(inputs))

    def respond(self, pre_activation: Tensor) -> Tensor:
        """Return the activations for a given output of the map, which is left as it is."""
        gate = self.gate(pre_activation)
        return pre_activation if gate is None else pre_activation * gate.unsqueeze(1)

    def gated_forward(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the activations and the gate, without a graph: for credit that is handed over directly."""
        pre_activation = self.map.apply_weight(inputs, self.map.weight, self.map.bias)
        gate = self.gate(pre_activation)
        return (pre_activation if gate is None else pre_activation.mul_(gate.unsqueeze(1))), gate

    def gate(self, pre_activation: Tensor) -> Tensor | None:
        """Return which units are on, as zeros and ones of shape (batch, channels, ...); None for linear units."""
        if self.gating_vectors is None:
            return None
        trailing = [1] * (pre_activation.dim() - 3)
        with torch.no_grad():
            # Component by component: no second tensor of the activations' size.
            first, *others = zip(pre_activation.unbind(1), self.gating_vectors.unbind(1), strict=True)
            projection = first[0] * first[1].view(-1, *trailing)
            for component, gating in others:
                projection.addcmul_(component, gating.view(-1, *trailing))
            return projection.ge_(0).to(pre_activation.dtype)

    @property
    def pulls_back_by_output(self) -> bool:
        """False: that a vector is zero does not tell whether its gate is."""
        return False


class OverComponents(nn.Module):
    """Applies a module of images or vectors to each component of vector units."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the module's outputs, shape (batch, K, ...)."""
        outputs: Tensor = self.module(inputs.flatten(0, 1))
        return part(outputs, 0, tuple(inputs.shape[:2]))


def draw_gating_vectors(channels: int, components: int, generator: Generator) -> Tensor:
    """Return random vectors of ±1 in pairs t, -t, shape (channels, components).

    Pairs are neighbours, as in the authors' code; the paper's eq. 16 writes them as two halves.
    """
    signs = torch.randint(2, (channels // 2, components), generator=generator) * 2.0 - 1.0
    return torch.stack([signs, -signs], dim=1).view(channels, components)


def codes_of(output_code: OutputCode, classes: int) -> Tensor | None:
    """Return the classes' codes, shape (classes, K); None where each class has a component of its own."""
    if not isinstance(output_code, BinaryCode):
        return None
    digits = max((classes - 1).bit_length(), 1)
    places = torch.arange(output_code.bits) % digits
    bits = (torch.arange(classes).unsqueeze(1) >> places) & 1
    return bits * 2.0 - 1.0
