"""Segments of vector units, and the layers between them."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from benchsuite.networks.maps.vectorized import VectorMap, part
from benchsuite.networks.segments import Segment
from benchsuite.specs.models.architecture import BinaryCode, OutputCode


class VectorSegment(Segment):
    """A linear map to vector units, each with a gate that passes or blocks it: ``a = G h`` with ``G = 1[t·h >= 0]``.

    The gate is one bit per unit, shared by its components, so a nonlinear network stays linear in the components:
    credit at any unit is one number times the output error (Clark et al. 2021, eqs 6 to 8).

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
        """Return the activations for a given output of the map, which is not changed."""
        gate = self.gate(pre_activation)
        return pre_activation if gate is None else pre_activation * gate.unsqueeze(1)

    def gated_forward(self, inputs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the activations and the gate without a graph, for rules that hand over credit directly."""
        pre_activation = self.map.apply_weight(inputs, self.map.weight, self.map.bias)
        gate = self.gate(pre_activation)
        return (pre_activation if gate is None else pre_activation.mul_(gate.unsqueeze(1))), gate

    def gate(self, pre_activation: Tensor) -> Tensor | None:
        """Return the gates as zeros and ones, shape (batch, channels, ...); None for linear units."""
        if self.gating_vectors is None:
            return None
        trailing = [1] * (pre_activation.dim() - 3)
        with torch.no_grad():
            # Component by component, to avoid a second tensor of the activations' size.
            first, *others = zip(pre_activation.unbind(1), self.gating_vectors.unbind(1), strict=True)
            projection = first[0] * first[1].view(-1, *trailing)  # (batch, channels, ...)
            for component, gating in others:
                projection.addcmul_(component, gating.view(-1, *trailing))
            return projection.ge_(0).to(pre_activation.dtype)

    @property
    def pulls_back_by_output(self) -> bool:
        """False: a zero vector does not tell whether its gate is zero."""
        return False


class OverComponents(nn.Module):
    """Apply a module for images or vectors to each component of vector units."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the module's outputs, shape (batch, K, ...)."""
        outputs: Tensor = self.module(inputs.flatten(0, 1))
        return part(outputs, 0, tuple(inputs.shape[:2]))


def draw_gating_vectors(channels: int, components: int, generator: Generator) -> Tensor:
    """Return random vectors of ±1 in pairs t, -t, shape (channels, components).

    Partners are neighbours, as in the authors' code; the paper's eq. 16 writes them as two halves.
    """
    signs = torch.randint(2, (channels // 2, components), generator=generator) * 2.0 - 1.0
    return torch.stack([signs, -signs], dim=1).view(channels, components)


def codes_of(output_code: OutputCode, classes: int) -> Tensor | None:
    """Return the codes of the classes, shape (classes, K); None if each class has its own component."""
    if not isinstance(output_code, BinaryCode):
        return None
    digits = max((classes - 1).bit_length(), 1)
    places = torch.arange(output_code.bits) % digits
    bits = (torch.arange(classes).unsqueeze(1) >> places) & 1
    return bits * 2.0 - 1.0
