"""Reader of the 8x8 digits bundled with scikit-learn; the split into training and test set is our own."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchsuite.data.stratified import choose_stratified
from benchsuite.data.tensors import DecodedDataset
from benchsuite.specs.models.dataset import DigitsDataset

CLASSES = 10


def read_digits(spec: DigitsDataset, *, test: bool = True) -> DecodedDataset:
    """Read the digits and hold out a stratified test set.

    Values 0 to 16 become uint8 by rounding ``value * 255 / 16`` to the nearest, halves up: 0 stays 0, 16 becomes 255,
    and no pixel changes by more than half a grey level. Training and test examples keep scikit-learn's order (its scans
    come in runs of 0 to 9, so the first few contain every class).

    Args:
        spec: the number of test examples, and the seed that chooses them.
        test: False to drop the test examples, which are in the same file, before anything is made of them.

    Returns:
        Images of uint8, (examples, 1, 8, 8).
    """
    table = _read_table()
    values, labels = table[:, :-1], table[:, -1].copy()
    held_out = choose_stratified(labels, spec.test_examples, spec.split_seed)
    if not test:
        values, labels = values[~held_out], labels[~held_out]
        return DecodedDataset.without_test(torch.from_numpy(_to_images(values)), torch.from_numpy(labels), CLASSES)
    images = _to_images(values)
    return DecodedDataset(
        train_inputs=torch.from_numpy(images[~held_out]),
        train_targets=torch.from_numpy(labels[~held_out]),
        test_inputs=torch.from_numpy(images[held_out]),
        test_targets=torch.from_numpy(labels[held_out]),
        classes=CLASSES,
    )


def _to_images(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    return ((values * 255 + 8) // 16).astype(np.uint8).reshape(-1, 1, 8, 8)  # (examples, 1, 8, 8)


def _read_table() -> NDArray[np.int64]:
    """Read the 64 values and the label of each example."""
    # Importing sklearn.datasets takes 3 to 5 s on two busy cores, reading its file 3 ms: the import would dominate a
    # smoke run.
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations if package else None) or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            with gzip.open(file, "rt", encoding="ascii") as lines:
                return np.loadtxt(lines, delimiter=",", dtype=np.int64)
    # If a version of scikit-learn moves the file, its own function still finds it.
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    return np.column_stack((values, labels)).astype(np.int64)
