"""ImageNet: the original files, the prepared packs, or generated images in the same layout."""

from __future__ import annotations

from pathlib import Path

import torch

from benchsuite.data.imagenet.files import list_imagenet
from benchsuite.data.imagenet.sample import make_sample
from benchsuite.data.images.sources import FileImages
from benchsuite.data.images.store import open_store
from benchsuite.data.images.streamed import StreamedDataset, StreamedPart
from benchsuite.data.roots import resolve_in_root
from benchsuite.specs.models.dataset import ImagenetDataset


def read_imagenet(spec: ImagenetDataset, data_root: Path) -> StreamedDataset:
    """List the images and their classes; no image is opened.

    Args:
        spec: path and form of the images.
        data_root: where a relative path starts.

    Raises:
        DataError: if folders or packs are missing, or the class of an image is unknown.
    """
    if spec.stored_side is not None:
        store = open_store(store_folder(spec.path, spec.stored_side, data_root))
        train, test, classes, identity = store.train, store.test, len(store.wnids), store.fingerprint
    else:
        root = make_sample(spec.sample, data_root) if spec.sample else resolve_in_root(spec.path, data_root)
        listing = list_imagenet(root)
        parts = (listing.train, listing.test)
        train, test = (StreamedPart(FileImages(root, part), torch.from_numpy(part.labels)) for part in parts)
        classes, identity = len(listing.wnids), listing.fingerprint()
    return StreamedDataset(spec, train.first(spec.train_limit), test.first(spec.test_limit), classes, identity)


def store_folder(path: str, side: int, data_root: Path) -> Path:
    """Return the folder in which ``data prepare`` puts the packs made from an image folder."""
    source = resolve_in_root(path, data_root)
    return source.with_name(f"{source.name}-{side}")
