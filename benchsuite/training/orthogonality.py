"""Gradient of a penalty that keeps square weight matrices near orthogonal; added to the gradients of any rule."""

from __future__ import annotations

import torch

from benchsuite.networks.network import Network
from benchsuite.specs.models.protocol import OrthogonalitySpec


@torch.no_grad()
def add_orthogonality_gradients(network: Network, how: OrthogonalitySpec) -> None:
    """Add the penalty's gradient to the weight gradient of every segment that has one.

    With M = WᵀW, W of shape (outputs, inputs): the penalty is the sum of the squared off-diagonal entries of M, or
    of all squared entries of M - I. Its gradient is 4 W (M less its diagonal) or 4 W (M - I). M compares inputs, not
    outputs, as in the published code, whose W is the transpose of ours.
    """
    names = network.maps if how.maps == "all" else network.credit_senders
    for linear_map in (network.maps[name] for name in names):
        if linear_map.weight.grad is None:
            continue
        weight = linear_map.weight.flatten(1)  # (outputs, inputs)
        excess = weight.t() @ weight  # (inputs, inputs)
        if how.kind == "off_diagonal":
            excess.fill_diagonal_(0)
        else:
            excess.diagonal().sub_(1)
        # Not in place: a learned feedback weight may share this gradient tensor.
        gradient = torch.addmm(linear_map.weight.grad.flatten(1), weight, excess, alpha=4 * how.strength)
        linear_map.weight.grad = gradient.view_as(linear_map.weight)
