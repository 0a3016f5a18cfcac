"""An epoch's order, held on the device, from which each step gathers its own batch."""

from __future__ import annotations

import torch
from torch import Tensor

from benchsuite.data.resident import ResidentData
from benchsuite.data.source import Batch


class EpochBuffers:
    """Order and augmentation of an epoch's full batches and the number of the next one, in tensors that stay the same.

    Nothing here depends on the host: the same operations give the next batch, so that they can be captured once.
    """

    def __init__(self, data: ResidentData, steps: int, batch_size: int) -> None:
        """Make buffers for epochs of ``steps`` full batches; ``fill`` them before the first."""
        self._data = data
        self.order = torch.zeros(steps, batch_size, dtype=torch.int64, device=data.device)
        """Indices of training examples, shape (steps, batch)."""
        self.draws = None
        """Draws of the augmentation, shape (steps, batch, 3); None without augmentation."""
        if data.augmentation:
            self.draws = torch.zeros(steps, batch_size, 3, dtype=torch.int64, device=data.device)
        self.step = torch.zeros(1, dtype=torch.int64, device=data.device)
        """Number of the next step, shape (1,)."""

    def fill(self, order: Tensor, draws: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Begin an epoch with its first step.

        Args:
            order: indices of training examples, (examples,) of int64, on the CPU.
            draws: result of ``draw_augmentation`` for the order, (examples, 3); None without augmentation.

        Returns:
            What is left of both for a last, shorter batch.

        """
        full = self.order.numel()
        self.order.copy_(order[:full].view_as(self.order))
        if self.draws is not None and draws is not None:
            self.draws.copy_(draws[:full].view_as(self.draws))
        self.step.zero_()
        return order[full:], None if draws is None else draws[full:]

    def rewind(self) -> None:
        """Begin with the first step again."""
        self.step.zero_()

    def next_batch(self) -> Batch:
        """Gather the next step's batch and advance to the one after it; fails on the device after the last."""
        indices = self.order.index_select(0, self.step).squeeze(0)  # (batch,)
        draws = None if self.draws is None else self.draws.index_select(0, self.step).squeeze(0)  # (batch, 3)
        self.step.add_(1)
        return self._data.train_batch(indices, draws)
