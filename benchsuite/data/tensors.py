"""Decoded data sets, the result of every reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class DecodedDataset:
    """A whole data set in memory, decoded but not normalised.

    Attributes:
        train_inputs: (examples, *input_shape); uint8 (0 to 255) or float32. Images are (examples, channels, h, w).
        train_targets: (examples,) of int64, from 0 to classes - 1.
        test_inputs: like ``train_inputs``; without examples if the test set is withheld.
        test_targets: like ``train_targets``.
        classes: number of classes.
        validation_inputs: like ``train_inputs``: held out from training, to measure errors on; None if nothing is.
        validation_targets: their classes.
        canonical: True if the files' checksums are the published ones, False if not, None if none are published.
    """

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor
    classes: int
    canonical: bool | None = None
    validation_inputs: Tensor | None = None
    validation_targets: Tensor | None = None

    @classmethod
    def without_test(
        cls, train_inputs: Tensor, train_targets: Tensor, classes: int, canonical: bool | None = None
    ) -> DecodedDataset:
        """Return a data set whose test set was not read."""
        nothing = train_inputs.new_empty((0, *train_inputs.shape[1:])), train_targets.new_empty(0)
        return cls(train_inputs, train_targets, *nothing, classes, canonical)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return tuple(self.train_inputs.shape[1:])


DatasetReader = Callable[..., DecodedDataset]
"""A plugin's reader: maps (options, data root) to a decoded data set. One that also takes ``test`` as a keyword gets
``test=False`` where the test set is withheld, and then returns ``DecodedDataset.without_test(…)``."""
