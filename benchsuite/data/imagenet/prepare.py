"""ImageNet's images resized once and packed, which is faster to read than one file per image."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchsuite.data.imagenet.files import list_imagenet
from benchsuite.data.imagenet.reader import store_folder
from benchsuite.data.images.store import make_store, open_store


@dataclass(frozen=True)
class PackedImages:
    """Packs as they lie on this machine.

    Attributes:
        folder: where they are.
        made: whether this call made them; False if they were there.
        fingerprint: of the packs.
        train_images: how many there are.
        test_images: how many there are.
        classes: how many there are.

    """

    folder: Path
    made: bool
    fingerprint: str
    train_images: int
    test_images: int
    classes: int


def prepare_imagenet(
    source: Path | None,
    data_root: Path,
    side: int = 256,
    processes: int | None = None,
    on_pack: Callable[[int, int], None] = lambda done, total: None,
) -> PackedImages:
    """Make packs of ImageNet's folders, unless they are there; continues what was stopped.

    Args:
        source: the folder with ``train`` and ``val``; ``imagenet`` under the data root if not given.
        data_root: where the packs go.
        side: pixels of the shorter side.
        processes: how many work at once; one per core if not given.
        on_pack: told after each pack how many are done, and how many there will be.

    Raises:
        DataError: if the folders are not ImageNet's, or the packs cannot be written.

    """
    folder = store_folder("imagenet", side, data_root)
    listing = list_imagenet(source or data_root / "imagenet")
    made = make_store(listing, folder, side, processes or os.cpu_count() or 1, on_pack)
    store = open_store(folder)
    train, test = len(store.train.targets), len(store.test.targets)
    return PackedImages(folder, made, store.fingerprint, train, test, len(store.wnids))
