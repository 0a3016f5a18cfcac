"""Data set kind ``mnist``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.data.kind import Access, Availability, DatasetKind, DatasetSize
from benchsuite.data.looking import download_plan
from benchsuite.data.mnist import files as mnist_files
from benchsuite.specs.models.dataset import MnistDataset

if TYPE_CHECKING:
    from benchsuite.data.tensors import DecodedDataset


def _read(_spec: MnistDataset, access: Access) -> DecodedDataset:
    from benchsuite.data.mnist.reader import read_mnist

    return read_mnist(access.data_root, download=access.download, test=access.test)


def _look(_spec: MnistDataset, access: Access) -> Availability:
    folder = mnist_files.raw_folder(access.data_root)
    missing = mnist_files.missing_files(folder, mnist_files.MNIST_FILES)
    if missing:
        return Availability(
            False, f"{len(missing)} of 4 files missing in {folder}; {download_plan()}", is_published=True
        )
    for file in mnist_files.MNIST_FILES:
        size = (folder / file.name).stat().st_size
        if size != file.total_bytes:
            found = f"{size:,} bytes, expected {file.total_bytes:,}"
            return Availability(False, f"{folder / file.name} has {found}; delete it to download it again")
    return Availability(True, str(folder))


def _size(_spec: MnistDataset, _access: Access) -> DatasetSize:
    return DatasetSize((1, 28, 28), 10, 60_000, 10_000)


KIND = DatasetKind(MnistDataset, _read, _look, _size)
