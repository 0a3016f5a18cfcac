"""Data set kind ``digits``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.data.kind import Access, Availability, DatasetKind, DatasetSize
from benchsuite.specs.models.dataset import DigitsDataset

if TYPE_CHECKING:
    from benchsuite.data.tensors import DecodedDataset


def _read(spec: DigitsDataset, access: Access) -> DecodedDataset:
    from benchsuite.data.digits.reader import read_digits

    return read_digits(spec, test=access.test)


def _look(_spec: DigitsDataset, _access: Access) -> Availability:
    return Availability(True, "comes with scikit-learn")


def _size(spec: DigitsDataset, _access: Access) -> DatasetSize:
    return DatasetSize((1, 8, 8), 10, 1797 - spec.test_examples, spec.test_examples)


KIND = DatasetKind(DigitsDataset, _read, _look, _size)
