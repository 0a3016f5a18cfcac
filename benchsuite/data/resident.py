"""Data sets held on the device; batches are gathered, augmented and normalised there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from benchsuite.data.crop_and_flip import crop_and_flip, draw_crops
from benchsuite.data.normalizing import Normalizer
from benchsuite.data.source import Batch
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.augmentation import CropAndFlip
from benchsuite.specs.models.dataset import Normalization


class ResidentData:
    """A data set on one device: uint8 stays uint8, and on the CPU nothing is copied.

    No method synchronises with the device, so they may be used in a training loop or a CUDA graph.
    """

    def __init__(
        self,
        dataset: DecodedDataset,
        normalization: Normalization,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        augmentation: CropAndFlip | None = None,
    ) -> None:
        """Move the data set to the device.

        Args:
            dataset: the data set from ``load_dataset``.
            normalization: the data set's normalisation.
            device: device to hold it on.
            dtype: dtype of the batches; a dtype narrower than float32 is computed in float32 first.
            augmentation: the data set's augmentation, for training batches only.

        Raises:
            DataError: if mean or std has neither one entry nor one per channel, dtype is not a float, or examples to
                crop are not images.
        """
        if not dtype.is_floating_point:
            raise DataError(f"batches cannot be {dtype}, expected a floating point type such as torch.float32")
        self.device = torch.device(device)
        self.classes = dataset.classes
        self.input_shape = dataset.input_shape
        self.train_inputs = dataset.train_inputs.to(self.device)
        self.train_targets = dataset.train_targets.to(self.device)
        self.test_inputs = dataset.test_inputs.to(self.device)
        self.test_targets = dataset.test_targets.to(self.device)
        validation = dataset.validation_inputs, dataset.validation_targets
        self.validation_inputs, self.validation_targets = (t if t is None else t.to(self.device) for t in validation)
        self.augmentation = augmentation
        if augmentation and len(self.input_shape) != 3:
            raise DataError(
                f"augmentation '{augmentation.kind}' needs images (channels, height, width), these examples have shape "
                f"{self.input_shape}; leave it out"
            )
        stored = self.train_inputs.dtype
        self.normalized = Normalizer(normalization, self.input_shape, stored, self.device, dtype)

    @property
    def train_examples(self) -> int:
        """Number of training examples."""
        return len(self.train_targets)

    @property
    def test_examples(self) -> int:
        """Number of test examples."""
        return len(self.test_targets)

    @property
    def validation_examples(self) -> int:
        """Number of examples held out from training, to measure errors on."""
        return 0 if self.validation_targets is None else len(self.validation_targets)

    @property
    def resident_bytes(self) -> int:
        """Memory of the data on the device, in bytes."""
        learned_and_test = (self.train_inputs, self.train_targets, self.test_inputs, self.test_targets)
        tensors = (*learned_and_test, self.validation_inputs, self.validation_targets)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)

    def train_batch(self, indices: Tensor, draws: Tensor | None = None) -> Batch:
        """Return the training examples at ``indices``.

        Args:
            indices: (examples,) of int64 or int32, on the same device; an index out of range fails on the device.
            draws: rows of ``draw_augmentation`` for these examples, (examples, 3), on the same device; None for none.
        """
        inputs = self.train_inputs.index_select(0, indices)
        if draws is not None and self.augmentation:
            inputs = crop_and_flip(inputs, draws, self.augmentation.padding)
        return self.normalized(inputs), self.train_targets.index_select(0, indices)

    def draw_augmentation(self, generator: Generator) -> Tensor | None:
        """Draw the augmentation of each example of an epoch, in the epoch's order; None without augmentation."""
        return draw_crops(self.augmentation, self.train_examples, generator) if self.augmentation else None

    def train_batches(self, order: Tensor, parts: Sequence[slice], draws: Tensor | None = None) -> Iterator[Batch]:
        """Iterate over the batches of an epoch.

        Args:
            order: indices of training examples, (examples,) of int64, on the CPU.
            parts: the slice of ``order`` for each batch.
            draws: the result of ``draw_augmentation``.
        """
        order = order.to(self.device)
        draws = None if draws is None else draws.to(self.device)
        for part in parts:
            yield self.train_batch(order[part], None if draws is None else draws[part])

    def train_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over all training examples in order, for evaluation; the last batch may be smaller."""
        return self._slices(self.train_inputs, self.train_targets, batch_size, rank, world_size)

    def test_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over all test examples in order; the last batch may be smaller."""
        return self._slices(self.test_inputs, self.test_targets, batch_size, rank, world_size)

    def validation_slices(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Iterate over all examples held out from training, in order; the last batch may be smaller."""
        if self.validation_inputs is None or self.validation_targets is None:
            return iter(())
        return self._slices(self.validation_inputs, self.validation_targets, batch_size, rank, world_size)

    def _slices(self, inputs: Tensor, targets: Tensor, batch_size: int, rank: int, world_size: int) -> Iterator[Batch]:
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, expected at least 1")
        starts = range(0, len(targets), batch_size)[rank::world_size]
        # Targets are copied: a rule that measures with a batch may write into it.
        return ((self.normalized(inputs[i : i + batch_size]), targets[i : i + batch_size].clone()) for i in starts)
