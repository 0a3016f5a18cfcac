"""A penalty that keeps square weight matrices near orthogonal, added to gradients, whatever rule left them there."""

from __future__ import annotations

import torch

from benchsuite.networks.network import Network
from benchsuite.specs.models.protocol import OrthogonalitySpec


@torch.no_grad()
def add_orthogonality_gradients(network: Network, how: OrthogonalitySpec) -> None:
    """Add the penalty's gradient to the weight's of every segment that has one.

    With M = WᵀW, W of shape (outputs, inputs): the penalty is the sum of M's squared off-diagonal entries, or of those
    of M - I; its gradient 4 W (M less its diagonal) or 4 W (M - I). Between inputs and not outputs, as in the published
    code, whose W is the transpose of ours.
    """
    names = network.maps if how.maps == "all" else network.credit_senders
    for linear_map in (network.maps[name] for name in names):
        if linear_map.weight.grad is None:
            continue
        weight = linear_map.weight.flatten(1)
        excess = weight.t() @ weight
        if how.kind == "off_diagonal":
            excess.fill_diagonal_(0)
        else:
            excess.diagonal().sub_(1)
        # Not in place: a feedback weight that learns may have the same tensor as its own gradient.
        gradient = torch.addmm(linear_map.weight.grad.flatten(1), weight, excess, alpha=4 * how.strength)
        linear_map.weight.grad = gradient.view_as(linear_map.weight)
