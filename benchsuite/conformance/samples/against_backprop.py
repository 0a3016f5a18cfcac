"""Compare a rule's update with autograd's, segment by segment."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from benchsuite.conformance.samples.trial import Trial, cosine
from benchsuite.credit.batch import Batch


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of one segment's update with backprop's on the same batch and weights.

    Attributes:
        cosine: cosine of the two updates, all parameters of the segment taken as one vector.
        equal: True if every element agrees to 1e-10, small ones relative to the segment's largest gradient.
        deviation: norm of the difference as a multiple of backprop's norm; of the update's own where that is zero.

    """

    cosine: float
    equal: bool
    deviation: float


def agreement_with_backprop(trial: Trial, batch: Batch) -> dict[str, Agreement]:
    """Return each segment's agreement; a parameter without a gradient counts as zero.

    Args:
        trial: in float64 and without dropout; else the two do not see the same network.
        batch: in the same dtype.

    """
    exact = trial.backprop_gradients(batch)
    own = trial.gradients(batch)
    compared = {}
    for name in trial.network.segments:
        pairs = [(own.get(n, torch.zeros_like(exact[n])), exact[n]) for n in exact if trial.segment_of(n) == name]
        scale = max(float(e.abs().max()) for _, e in pairs)
        equal = all(_close(a, b, scale) for a, b in pairs)
        compared[name] = Agreement(cosine(*zip(*pairs, strict=True)), equal, _deviation(pairs))
    return compared


def _close(own: Tensor, exact: Tensor, scale: float) -> bool:
    return torch.allclose(own, exact, rtol=1e-10, atol=1e-12 * scale)


def _deviation(pairs: list[tuple[Tensor, Tensor]]) -> float:
    own, exact = (torch.cat([t.flatten() for t in side]) for side in zip(*pairs, strict=True))
    size = float(exact.norm()) or float(own.norm())
    return float((own - exact).norm()) / size if size else 0.0
