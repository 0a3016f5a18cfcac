"""Data set kinds ``cifar10`` and ``cifar100``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.data.cifar import files as cifar_files
from benchsuite.data.kind import Access, Availability, DatasetKind, DatasetSize
from benchsuite.data.looking import download_plan
from benchsuite.specs.models.dataset import CifarDataset

if TYPE_CHECKING:
    from benchsuite.data.tensors import DecodedDataset


def _read(spec: CifarDataset, access: Access) -> DecodedDataset:
    from benchsuite.data.cifar.reader import read_cifar

    return read_cifar(spec, access.data_root, download=access.download, test=access.test)


def _look(spec: CifarDataset, access: Access) -> Availability:
    publication = cifar_files.publication(cifar_files.PUBLISHED[spec.kind], access.data_root)
    missing = publication.missing()
    (package,) = publication.packages
    if not missing:
        return Availability(True, str(publication.folder))
    if package.beside.is_file():
        return Availability(True, f"{package.beside}, unpacked when first used")
    count = f"{len(missing)} of {len(package.files)}"
    return Availability(False, f"{count} files missing in {publication.folder}; {download_plan()}", is_published=True)


def _size(spec: CifarDataset, _access: Access) -> DatasetSize:
    files = cifar_files.PUBLISHED[spec.kind]
    return DatasetSize((3, 32, 32), files.classes, *files.examples)


KIND = DatasetKind(CifarDataset, _read, _look, _size)
