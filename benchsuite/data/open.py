"""Open a loaded data set for training on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchsuite.data.resident import ResidentData
from benchsuite.data.source import TrainingData
from benchsuite.data.tensors import DecodedDataset
from benchsuite.specs.models.dataset import DatasetSpec, ResidentBase

if TYPE_CHECKING:
    from benchsuite.data.images.streamed import StreamedDataset


def open_data(
    dataset: DecodedDataset | StreamedDataset,
    spec: DatasetSpec,
    device: torch.device,
    processes: int | None = None,
    dtype: torch.dtype = torch.float32,
) -> TrainingData:
    """Put a data set on a device, or prepare to stream it there batch by batch.

    Args:
        dataset: the data set that ``load_dataset`` returned for the spec.
        spec: the data set's spec, with normalisation and augmentation.
        device: device of the batches.
        processes: number of processes that decode images; see ``StreamedData``.
        dtype: dtype of the batches.

    Raises:
        DataError: if the spec's normalisation or augmentation does not fit the examples.
    """
    if isinstance(dataset, DecodedDataset):
        augmentation = spec.augmentation if isinstance(spec, ResidentBase) else None
        return ResidentData(dataset, spec.normalization, device, dtype, augmentation)
    # Imported here because torchvision's transforms take a second to import.
    from benchsuite.data.images.streamed import StreamedData

    return StreamedData(dataset, device, processes, dtype=dtype)
