"""Fingerprint of a data set: changes if the data change, and only then."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from benchsuite.data.tensors import DecodedDataset

if TYPE_CHECKING:
    from benchsuite.data.images.streamed import StreamedDataset


def fingerprint(dataset: DecodedDataset | StreamedDataset, *, drawn_validation: bool = False) -> str:
    """Return the sha256 of the decoded tensors as they are used (after limits).

    Hashed are, for each of training inputs, training targets, test inputs and test targets: its name, dtype and shape,
    then its values row by row in little-endian order. Machines of either byte order give the same digest. The origin of
    the files, normalisation and the number of classes are not included: the spec's hash covers them.

    For images in files it is the fingerprint of their listing (names, classes and sizes) or of the packs' content.

    Args:
        dataset: the data, on any device.
        drawn_validation: True to hash the validation examples too, as for those drawn by the spec's ``validation``. The
            older ``validation_examples`` are not hashed, so that fingerprints in records stay as they are.

    Returns:
        64 hexadecimal digits.
    """
    if not isinstance(dataset, DecodedDataset):
        return dataset.fingerprint
    digest = hashlib.sha256(b"benchsuite data 1\n")
    parts: dict[str, Tensor] = {
        "train_inputs": dataset.train_inputs,
        "train_targets": dataset.train_targets,
        "test_inputs": dataset.test_inputs,
        "test_targets": dataset.test_targets,
    }
    if drawn_validation and dataset.validation_inputs is not None and dataset.validation_targets is not None:
        parts |= {"validation_inputs": dataset.validation_inputs, "validation_targets": dataset.validation_targets}
    for name, tensor in parts.items():
        values = np.ascontiguousarray(tensor.detach().cpu().numpy())
        head = {"name": name, "dtype": values.dtype.name, "shape": list(values.shape)}
        digest.update(json.dumps(head, sort_keys=True).encode() + b"\n")
        digest.update(values.astype(values.dtype.newbyteorder("<"), copy=False).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
