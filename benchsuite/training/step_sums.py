"""Sums of loss and wrong predictions over the steps of an epoch, on the device."""

from __future__ import annotations

import torch
from torch import Tensor


class StepSums:
    """Loss and wrong predictions so far, in tensors that stay the same from epoch to epoch."""

    def __init__(self, device: torch.device) -> None:
        self.loss = torch.zeros((), device=device, dtype=widest_float(device))
        """Sum over examples."""
        self.wrong = torch.zeros((), device=device, dtype=torch.int64)
        """Number of examples."""

    def reset(self) -> None:
        """Start again from zero, for a new epoch."""
        self.loss.zero_()
        self.wrong.zero_()

    def add(self, loss: Tensor, scores: Tensor, targets: Tensor) -> None:
        """Add one step's results.

        Args:
            loss: mean over the batch, a scalar.
            scores: the largest is the predicted class, shape (batch, classes).
            targets: classes, shape (batch,).

        """
        self.loss.add_(loss, alpha=len(targets))
        self.wrong.add_(count_wrong(scores, targets))


def widest_float(device: torch.device) -> torch.dtype:
    """Return the widest floating point type that the device has."""
    return torch.float32 if device.type == "mps" else torch.float64


def count_wrong(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the number of examples whose largest output is not their class, as a tensor on the device.

    An example with a NaN output counts as wrong: argmax would take the NaN for the largest.
    """
    top, predicted = logits.max(1)  # (batch,)
    return ((predicted != targets) | top.isnan()).sum()


def count_wrong_top5(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the number of examples whose class is not among the five largest outputs, as a tensor on the device."""
    return (logits.topk(5, 1).indices != targets.unsqueeze(1)).all(1).sum()
