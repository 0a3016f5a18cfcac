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

    def __init__(self, data: ResidentData, batch_size: int) -> None:
        """Make buffers for epochs in batches of so many examples; ``fill`` them before the first."""
        self._data = data
        self._order = torch.zeros(data.train_examples, dtype=torch.int64, device=data.device)
        self._draws = None
        if data.augmentation:
            self._draws = torch.zeros(data.train_examples, 3, dtype=torch.int64, device=data.device)
        self.steps = data.train_examples // batch_size
        """Number of full batches in an epoch."""
        self.batch_size = batch_size
        full = self.steps * batch_size
        self._batches = self._order[:full].view(self.steps, batch_size)  # (steps, batch)
        self._batch_draws = None if self._draws is None else self._draws[:full].view(self.steps, batch_size, 3)
        self._step = torch.zeros(1, dtype=torch.int64, device=data.device)

    def fill(self, order: Tensor, draws: Tensor | None) -> None:
        """Begin an epoch with its first step.

        Args:
            order: indices of training examples, (examples,) of int64, on the CPU.
            draws: result of ``draw_augmentation`` for the order, (examples, 3); None without augmentation.

        """
        self._order.copy_(order)
        if self._draws is not None and draws is not None:
            self._draws.copy_(draws)
        self.rewind()

    def rewind(self) -> None:
        """Begin with the first step again."""
        self._step.zero_()

    def next_batch(self) -> Batch:
        """Gather the next full batch and advance to the one after it; fails on the device after the last."""
        indices = self._batches.index_select(0, self._step).squeeze(0)  # (batch,)
        draws = self._batch_draws
        draws = None if draws is None else draws.index_select(0, self._step).squeeze(0)  # (batch, 3)
        self._step.add_(1)
        return self._data.train_batch(indices, draws)

    @property
    def rest(self) -> int:
        """Number of examples that are left for a last, shorter batch."""
        return len(self._order) - self._batches.numel()

    def last_batch(self) -> Batch:
        """Gather the last, shorter batch."""
        first = self._batches.numel()
        return self._data.train_batch(self._order[first:], None if self._draws is None else self._draws[first:])
