"""``kind: image_folder``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.data.kind import Access, Availability, DatasetKind
from benchsuite.data.looking import look_for_folders
from benchsuite.data.roots import resolve_in_root
from benchsuite.specs.models.dataset import ImageFolderDataset

if TYPE_CHECKING:
    from benchsuite.data.tensors import DecodedDataset


def _read(spec: ImageFolderDataset, access: Access) -> DecodedDataset:
    from benchsuite.data.image_folder.reader import read_image_folder

    return read_image_folder(spec, access.data_root, test=access.test)


def _look(spec: ImageFolderDataset, access: Access) -> Availability:
    return look_for_folders(resolve_in_root(spec.path, access.data_root), ("train", "test"))


KIND = DatasetKind(ImageFolderDataset, _read, _look)
