"""The interface between a training loop and its data, held on the device or streamed from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor

Batch = tuple[Tensor, Tensor]
"""Normalised inputs, (examples, *input_shape), and their targets, (examples,) of int64, on the device."""


class TrainingData(Protocol):
    """Examples of one data set for one device."""

    device: torch.device
    classes: int
    input_shape: tuple[int, ...]

    @property
    def train_examples(self) -> int:
        """Number of training examples."""

    def draw_augmentation(self, generator: Generator) -> Tensor | None:
        """Draw the augmentation of each example of an epoch, in the epoch's order, on the CPU; None without it."""

    def train_batches(self, order: Tensor, parts: Sequence[slice], draws: Tensor | None = None) -> Iterator[Batch]:
        """Iterate over the batches of an epoch; ``parts`` has the slice of ``order`` for each batch."""

    def train_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over all training examples in order, as in evaluation.

        With several ranks, each gets every ``world_size``-th slice.
        """

    def test_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over all test examples in order."""

    @property
    def validation_examples(self) -> int:
        """Number of examples held out from training, to measure errors on; usually 0."""

    def validation_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over all examples held out from training, in order."""
