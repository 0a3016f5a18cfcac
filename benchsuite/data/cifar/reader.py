"""Reader of CIFAR-10 and CIFAR-100 in torchvision's folders; each file's checksum is verified before it is used."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchsuite.data.cifar import files as cifar_files
from benchsuite.data.fetching import Publication, fetch_missing
from benchsuite.data.tensors import DecodedDataset
from benchsuite.specs.models.dataset import CifarDataset


def read_cifar(spec: CifarDataset, data_root: Path, *, download: bool = True, test: bool = True) -> DecodedDataset:
    """Read CIFAR-10 or CIFAR-100 (fine labels) from torchvision's folder, fetching what is missing.

    The files are pickles, which can run code. Only bytes whose checksum is the published one are ever unpickled.

    Args:
        spec: CIFAR-10 or CIFAR-100.
        data_root: the folder that holds ``cifar-10-batches-py`` and ``cifar-100-python``.
        download: True if missing files may be downloaded.
        test: False to leave the test files unread.

    Returns:
        Images of uint8, (examples, 3, 32, 32), in the published order; ``canonical`` is True.

    Raises:
        DataError: if a file is missing and cannot be fetched, cannot be read, or is not as published.
    """
    files = cifar_files.PUBLISHED[spec.kind]
    publication = cifar_files.publication(files, data_root)
    fetch_missing(publication, download=download)
    train_inputs, train_targets = _join(_read(publication, name, files.labels) for name, _ in files.train)
    if not test:
        return DecodedDataset.without_test(train_inputs, train_targets, files.classes, canonical=True)
    test_inputs, test_targets = _join(_read(publication, name, files.labels) for name, _ in files.test)
    return DecodedDataset(
        train_inputs=train_inputs,
        train_targets=train_targets,
        test_inputs=test_inputs,
        test_targets=test_targets,
        classes=files.classes,
        canonical=True,
    )


def _read(publication: Publication, name: str, labels: str) -> tuple[Any, list[int]]:
    content = publication.read(name)
    # Written by Python 2: its strings, which include the images, are bytes in Python 3; latin1 keeps them unchanged.
    entry = pickle.loads(content, encoding="latin1")  # noqa: S301 - the very bytes that were checked, no others
    return entry["data"], entry[labels]


def _join(parts: Iterable[tuple[Any, list[int]]]) -> tuple[Tensor, Tensor]:
    images, labels = zip(*parts, strict=True)
    joined = np.concatenate(images) if len(images) > 1 else images[0].copy()
    return torch.from_numpy(joined.reshape(-1, 3, 32, 32)), torch.tensor(np.concatenate(labels), dtype=torch.int64)
