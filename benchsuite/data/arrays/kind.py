"""``kind: arrays``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.data.kind import Access, Availability, DatasetKind, DatasetSize
from benchsuite.data.prepared.files import PREPARED
from benchsuite.data.roots import resolve_in_root
from benchsuite.specs.models.dataset import ArraysDataset

if TYPE_CHECKING:
    from benchsuite.data.tensors import DecodedDataset


def _read(spec: ArraysDataset, access: Access) -> DecodedDataset:
    from benchsuite.data.arrays.reader import read_arrays

    return read_arrays(spec, access.data_root, test=access.test)


def _look(spec: ArraysDataset, access: Access) -> Availability:
    path = resolve_in_root(spec.path, access.data_root)
    if not path.exists():
        prepared = PREPARED.get(spec.path)
        remedy = f"; `{prepared.command}` makes it" if prepared else ""
        return Availability(False, f"{path}: no such file or folder{remedy}")
    if path.is_dir():
        names = [f"{name}.npy" for name in ("x_train", "y_train", "x_test", "y_test")]
        missing = [name for name in names if not (path / name).is_file()]
        if missing:
            return Availability(False, f"{path}: {', '.join(missing)} missing")
    return Availability(True, str(path))


def _size(spec: ArraysDataset, _access: Access) -> DatasetSize | None:
    made = PREPARED.get(spec.path)
    return DatasetSize(made.shape, made.classes, *made.examples) if made else None


KIND = DatasetKind(ArraysDataset, _read, _look, _size)
