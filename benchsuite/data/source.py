"""What a training loop asks of its data, whether they lie on the device or come from files."""

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
        """How many examples are learned."""

    def draw_augmentation(self, generator: Generator) -> Tensor | None:
        """Draw what becomes of each of an epoch's examples, by place in its order, on the CPU; None if nothing does."""

    def train_batches(self, order: Tensor, parts: Sequence[slice], draws: Tensor | None = None) -> Iterator[Batch]:
        """Go through an epoch; ``parts`` are the places of ``order`` that make up each batch."""

    def train_slices(self, batch_size: int, turn: int = 0, turns: int = 1) -> Iterator[Batch]:
        """Go through all training examples in order, as the network is measured on them.

        Where several processes take turns, each gets every ``turns``-th slice.
        """

    def test_slices(self, batch_size: int, turn: int = 0, turns: int = 1) -> Iterator[Batch]:
        """Go through all test examples in order."""
