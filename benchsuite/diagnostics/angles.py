"""Angles between tensors; None if an angle is undefined."""

from __future__ import annotations

import torch
from torch import Tensor

# Norm of a gradient that is not divided by the batch size. Below it, a direction is rounding noise. The GEVB authors'
# code drops such examples too, which is why its curves end once a network fits its batch.
LEAST_NORM = 1e-6


def mean_angle_deg(first: Tensor, second: Tensor) -> float | None:
    """Return the mean over examples of the angle between two credits, or None if no example has both.

    Args:
        first: shape (batch, ...), divided by the batch size, as rules assign it.
        second: the same shape and scale.

    """
    one, two = (t.flatten(1).double() * len(t) for t in (first, second))  # (batch, units)
    norms = torch.stack([one.norm(dim=1), two.norm(dim=1)])  # (2, batch)
    usable = (norms > LEAST_NORM).all(0) & norms.isfinite().all(0)
    if not usable.any():
        return None
    cosine = (one * two).sum(1)[usable] / norms[:, usable].prod(0)
    return float(torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))).mean())


def angle_deg(first: Tensor, second: Tensor, least_norm: float = 0.0) -> float | None:
    """Return the angle between two tensors, each taken as one vector, or None if one has no direction.

    Args:
        first: any shape.
        second: the same shape.
        least_norm: a tensor whose norm is not above this has no direction: it is rounding noise.

    """
    one, two = (t.detach().flatten().double() for t in (first, second))
    norms = torch.stack([one.norm(), two.norm()])
    if not bool(((norms > least_norm) & norms.isfinite()).all()):
        return None
    return float(torch.rad2deg(torch.arccos((one @ two / norms.prod()).clamp(-1, 1))))
