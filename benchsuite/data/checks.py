"""Checks of every decoded data set, whichever reader it came from, with error messages."""

from __future__ import annotations

from typing import Any

import psutil
import torch
from torch import Tensor

from benchsuite.data.tensors import DecodedDataset
from benchsuite.data.wording import one_line as one_line
from benchsuite.errors import DataError

SPLITS = ("train", "test")


def available_memory_bytes() -> int:
    """Return the memory in bytes that is available without swapping."""
    return int(psutil.virtual_memory().available)


def require_memory(needed_bytes: int, where: object) -> None:
    """Refuse data that cannot fit in this machine's memory, before anything is allocated.

    Args:
        needed_bytes: size of the decoded data.
        where: the file or folder, for the message.

    Raises:
        DataError: if less memory is available.
    """
    available = available_memory_bytes()
    if needed_bytes > available:
        raise DataError(
            f"{where}: needs {needed_bytes / 2**30:.3g} GiB of memory decoded, "
            f"{available / 2**30:.3g} GiB are available; use fewer or smaller examples, or a machine with more memory"
        )


def check_decoded(dataset: DecodedDataset, where: object, *, test: bool = True) -> None:
    """Check everything that the harness relies on.

    Args:
        dataset: the data set that a reader returned.
        where: the file, folder or reader it came from, for the message.
        test: False if the test set is withheld: there must be no test examples.

    Raises:
        DataError: for the first failed check: types, lengths, shapes, emptiness, label range, finiteness.
    """
    if isinstance(dataset.classes, bool) or not isinstance(dataset.classes, int) or dataset.classes < 2:
        raise DataError(
            f"{where}: found {dataset.classes!r} classes, expected at least 2; add examples of another class"
        )
    pairs = {"train": (dataset.train_inputs, dataset.train_targets)}
    if test:
        pairs["test"] = dataset.test_inputs, dataset.test_targets
    elif len(dataset.test_targets) or len(dataset.test_inputs):
        raise DataError(f"{where}: returned test examples although they are withheld; report it to the reader's author")
    for split, (inputs, targets) in pairs.items():
        _check_split(inputs, targets, dataset.classes, f"{where}: {split}")
    train, other = dataset.train_inputs, dataset.test_inputs
    if train.shape[1:] != other.shape[1:]:
        raise DataError(
            f"{where}: training examples have shape {tuple(train.shape[1:])}, test examples {tuple(other.shape[1:])}; "
            "make both the same"
        )
    if train.dtype != other.dtype:
        raise DataError(f"{where}: training inputs are {train.dtype}, test inputs {other.dtype}; make both the same")


def _check_split(inputs: Any, targets: Any, classes: int, where: str) -> None:
    if not (isinstance(inputs, Tensor) and isinstance(targets, Tensor)):
        found = f"{type(inputs).__name__} and {type(targets).__name__}"
        raise DataError(f"{where} inputs and targets are {found}, expected torch tensors")
    if inputs.dtype not in (torch.uint8, torch.float32):
        raise DataError(f"{where} inputs are {inputs.dtype}, expected torch.uint8 (0 to 255) or torch.float32")
    if targets.dtype != torch.int64:
        raise DataError(f"{where} targets are {targets.dtype}, expected torch.int64")
    if inputs.ndim < 2 or targets.ndim != 1:
        raise DataError(
            f"{where} inputs have shape {tuple(inputs.shape)} and targets {tuple(targets.shape)}, "
            "expected (examples, ...) and (examples,)"
        )
    if len(inputs) != len(targets):
        raise DataError(f"{where} has {len(inputs)} inputs but {len(targets)} targets; each example needs one of both")
    if inputs.numel() == 0:
        raise DataError(f"{where} is empty (inputs of shape {tuple(inputs.shape)}); it needs at least one example")
    check_labels(targets, classes, where)
    if inputs.is_floating_point():
        _check_finite(inputs, where)


def check_labels(targets: Tensor, classes: int, where: str) -> None:
    """Check that labels are between 0 and ``classes - 1``.

    Raises:
        DataError: if not; it names the first example with another label.
    """
    low, high = (int(value) for value in torch.aminmax(targets))
    if low >= 0 and high < classes:
        return
    example = int(((targets < 0) | (targets >= classes)).nonzero()[0])
    raise DataError(
        f"{where} example {example} has label {int(targets[example])}, expected 0 to {classes - 1}; "
        "renumber the labels from 0, or correct the number of classes"
    )


def _check_finite(inputs: Tensor, where: str) -> None:
    # Extremes need no mask as large as the data, and NaN and infinity both show in them.
    low, high = torch.aminmax(inputs)
    if torch.isfinite(low) and torch.isfinite(high):
        return
    flat = inputs.reshape(len(inputs), -1)
    example = next(i for i in range(len(flat)) if not bool(torch.isfinite(flat[i]).all()))
    raise DataError(f"{where} example {example} holds NaN or infinity; remove it or replace the value by a number")
