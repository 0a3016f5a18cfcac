"""Replace the weight of a map while its responses stay the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from benchsuite.networks.maps import LinearMap


@contextmanager
def equal_response_weights(linear_map: LinearMap, weight: Tensor) -> Iterator[None]:
    """Replace a map's weight within the block, while the map responds as before.

    Inputs of any kind, data or noise, that are applied through the map's own weight get the earlier response. Code that
    reads the weight, or pulls a cotangent back through it, gets the replacement. So activities stay fixed in any
    forward pass, and only what reaches a rule by other ways than activities can change.

    Args:
        linear_map: a map of a network.
        weight: in the shape and type of its weight.

    """
    own = linear_map.weight
    before = own.detach().clone()
    apply_weight, push_forward = linear_map.apply_weight, linear_map.push_forward

    def respond(inputs: Tensor, given: Tensor, bias: Tensor | None = None) -> Tensor:
        through_given: Tensor = apply_weight(inputs, given, bias)
        if given.shape != own.shape or not torch.equal(given.detach().to(own.dtype), own.detach()):
            return through_given  # a feedback weight: apply it as it is
        # The value equals the earlier response bit for bit, and so does a forward-mode derivative that inputs carry: it
        # is a response too.
        with torch.no_grad():
            held: Tensor = apply_weight(inputs, before, bias)
        # Add zero, with the autograd graph of the weight that is there now.
        graph = forward_ad.unpack_dual(through_given).primal  # type: ignore[no-untyped-call]
        response: Tensor = held + (graph - graph.detach())
        return response

    def carry(inputs: Tensor, given: Tensor, *changes: Any) -> Tensor:
        return push_forward(inputs, before if torch.equal(given, own.detach()) else given, *changes)

    with torch.no_grad():
        own.copy_(weight)
    linear_map.__dict__["push_forward"] = carry
    linear_map.__dict__["apply_weight"] = respond
    try:
        yield
    finally:
        del linear_map.__dict__["apply_weight"], linear_map.__dict__["push_forward"]
        with torch.no_grad():
            own.copy_(before)


def equal_response_weight(linear_map: LinearMap, seed: int) -> Tensor:
    """Return an unrelated weight of the map's shape and norm; its signs differ too."""
    own = linear_map.weight.detach()
    drawn = torch.randn(own.shape, dtype=own.dtype, generator=torch.Generator().manual_seed(seed))
    size = float(own.norm()) or 1.0
    scaled: Tensor = drawn * (size / drawn.norm())
    return scaled
