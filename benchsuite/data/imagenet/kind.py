"""``kind: imagenet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchsuite.data.kind import Access, Availability, DatasetKind, DatasetSize
from benchsuite.data.looking import look_for_folders
from benchsuite.data.roots import resolve_in_root
from benchsuite.specs.models.dataset import ImagenetDataset

if TYPE_CHECKING:
    from benchsuite.data.images.streamed import StreamedDataset

IMAGES = (1_281_167, 50_000)
"""ILSVRC-2012's images of training and of validation."""


def _read(spec: ImagenetDataset, access: Access) -> StreamedDataset:
    from benchsuite.data.imagenet.reader import read_imagenet

    return read_imagenet(spec, access.data_root)


def _look(spec: ImagenetDataset, access: Access) -> Availability:
    if spec.sample:
        from benchsuite.data.imagenet.sample import sample_folder

        folder = sample_folder(spec.sample, access.data_root)
        return Availability(True, str(folder) if folder.is_dir() else "generated when first used")
    root = resolve_in_root(spec.path, access.data_root)
    if spec.stored_side is None:
        found = look_for_folders(root, ("train", "val"))
        return found if found.found else Availability(False, f"{found.detail}; obtain ILSVRC-2012 and put it there")
    folder = root.with_name(f"{root.name}-{spec.stored_side}")
    if (folder / "prepared.json").is_file():
        return Availability(True, str(folder))
    return Availability(False, f"{folder}: missing or not finished; run `benchsuite data prepare imagenet`")


def _size(spec: ImagenetDataset, _access: Access) -> DatasetSize:
    shape, made = (3, spec.image_size, spec.image_size), spec.sample
    if made:
        return DatasetSize(shape, made.classes, made.classes * made.train_images, made.classes * made.test_images)
    return DatasetSize(shape, 1000, *IMAGES)


KIND = DatasetKind(ImagenetDataset, _read, _look, _size)
