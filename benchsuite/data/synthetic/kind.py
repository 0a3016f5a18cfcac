"""Data set kind ``synthetic``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.data.kind import Access, Availability, DatasetKind, DatasetSize
from benchsuite.specs.models.dataset import SyntheticDataset

if TYPE_CHECKING:
    from benchsuite.data.tensors import DecodedDataset


def _read(spec: SyntheticDataset, access: Access) -> DecodedDataset:
    from benchsuite.data.synthetic.reader import make_synthetic

    return make_synthetic(spec, test=access.test)


def _look(_spec: SyntheticDataset, _access: Access) -> Availability:
    return Availability(True, "made from its seed")


def _size(spec: SyntheticDataset, _access: Access) -> DatasetSize:
    shape = (spec.channels, spec.height, spec.width)
    return DatasetSize(shape, spec.classes, spec.train_examples, spec.test_examples)


KIND = DatasetKind(SyntheticDataset, _read, _look, _size)
