"""scikit-learn's bundled 8x8 digits: real scans on every machine, split without scikit-learn's help."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchsuite.data.bit_stream import draw_order, make_bits
from benchsuite.data.tensors import DecodedDataset
from benchsuite.specs.models.dataset import DigitsDataset

CLASSES = 10


def read_digits(spec: DigitsDataset) -> DecodedDataset:
    """Read the digits and hold out a stratified test set.

    Values 0 to 16 become uint8 by rounding ``value * 255 / 16`` to the nearest, halves up: 0 stays 0, 16 is 255, and
    no pixel moves by more than half a grey level. Examples keep scikit-learn's order within each part (its scans come
    in runs of 0 to 9, so the first few hold every class).

    Args:
        spec: how many examples are held out, and the seed of which.

    Returns:
        Images of uint8, (examples, 1, 8, 8).
    """
    table = _read_table()
    values, labels = table[:, :-1], table[:, -1].copy()
    images = ((values * 255 + 8) // 16).astype(np.uint8).reshape(-1, 1, 8, 8)
    held_out = choose_stratified(labels, spec.test_examples, spec.split_seed)
    return DecodedDataset(
        train_inputs=torch.from_numpy(images[~held_out]),
        train_targets=torch.from_numpy(labels[~held_out]),
        test_inputs=torch.from_numpy(images[held_out]),
        test_targets=torch.from_numpy(labels[held_out]),
        classes=CLASSES,
    )


def _read_table() -> NDArray[np.int64]:
    """Read the 64 values and the label of each example."""
    # Importing sklearn.datasets takes 3 to 5 s on two busy cores, reading its file 3 ms: a smoke run would mostly wait.
    package = importlib.util.find_spec("sklearn")
    for folder in (package.submodule_search_locations if package else None) or ():
        file = Path(folder, "datasets", "data", "digits.csv.gz")
        if file.is_file():
            with gzip.open(file, "rt", encoding="ascii") as lines:
                return np.loadtxt(lines, delimiter=",", dtype=np.int64)
    # Should a version of scikit-learn move the file, its own function knows where to.
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    return np.column_stack((values, labels)).astype(np.int64)


def choose_stratified(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.bool_]:
    """Choose ``count`` examples so that every class has its share.

    Each class gets the whole part of its share; what is left goes to the largest remainders, lower classes first. Which
    of its examples are chosen comes from a bit stream of its own, so it depends on the seed alone and on no library's
    version (scikit-learn's ``train_test_split`` promises that for one version only).

    Args:
        labels: the class of each example.
        count: how many to choose.
        seed: which ones.

    Returns:
        True for the chosen, shape (examples,).
    """
    classes, sizes = np.unique(labels, return_counts=True)
    shares = sizes * count
    quotas = shares // len(labels)
    by_remainder = np.argsort(-(shares % len(labels)), kind="stable")
    quotas[by_remainder[: count - int(quotas.sum())]] += 1
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label, quota in zip(classes, quotas, strict=True):
        members = np.flatnonzero(labels == label)
        chosen[members[draw_order(make_bits(seed, int(label)), len(members))[:quota]]] = True
    return chosen
