"""Choice of examples that keeps the proportions of the classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchsuite.data.bit_stream import draw_order, make_bits


def choose_stratified(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.bool_]:
    """Choose ``count`` examples, stratified by class.

    Each class gets the integer part of its share; the rest goes to the largest remainders, lower classes first. The
    examples are drawn with our own bit stream, so the choice depends on the seed alone and not on a library's version
    (scikit-learn's ``train_test_split`` promises that for one version only).

    Args:
        labels: the class of each example.
        count: the number of examples to choose.
        seed: decides the choice.

    Returns:
        True for the chosen examples, shape (examples,).
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
