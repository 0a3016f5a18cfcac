"""From a loaded data set to what a training loop takes its batches from."""

from __future__ import annotations

import torch

from benchsuite.data.resident import ResidentData
from benchsuite.data.source import TrainingData
from benchsuite.data.tensors import DecodedDataset
from benchsuite.spec.dataset import DatasetSpec, ImagenetDataset


def open_data(dataset: DecodedDataset, spec: DatasetSpec, device: torch.device) -> TrainingData:
    """Put a data set on a device.

    Raises:
        DataError: if the spec's normalisation or augmentation does not fit the examples.
    """
    if isinstance(spec, ImagenetDataset):
        raise NotImplementedError
    return ResidentData(dataset, spec.normalization, device, augmentation=spec.augmentation)
