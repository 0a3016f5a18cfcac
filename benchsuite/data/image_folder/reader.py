"""Read images from class folders, decoded once to one size and number of channels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchsuite.data.checks import SPLITS, one_line, require_memory
from benchsuite.data.images.image_bytes import require_sane_size
from benchsuite.data.plain_files import fault_of, leaves, named_and_counted
from benchsuite.data.roots import ANOTHER_ROOT, resolve_in_root
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ImageFolderDataset

_LEFT_BY_FILE_BROWSERS = frozenset({"thumbs.db", "desktop.ini"})

# Modes with 16-bit grey levels; Pillow's conversion to 8 bits clips them at 255 instead of scaling.
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")


def read_image_folder(spec: ImageFolderDataset, data_root: Path, *, test: bool = True) -> DecodedDataset:
    """Read ``train/<class>/*`` and ``test/<class>/*``.

    Classes are numbered in the order of their names. Examples are ordered as the first file of every class, then the
    second of every class, and so on, with files in the order of their names, so that a limit on the number of examples
    keeps all classes. Greyscale, palette, CMYK and 16-bit images are converted. Transparency is dropped and EXIF
    rotation ignored, as in torchvision's ``ImageFolder``. Only the first frame of an animation is used. Other sizes are
    resized bilinearly with antialiasing.

    Args:
        spec: the path, and the height, width and channels of the result.
        data_root: where a relative path starts.
        test: False to decode no test images; they are still listed, to check that the classes are the same.

    Returns:
        The images, uint8, (examples, channels, height, width).

    Raises:
        DataError: if folders are missing or empty, classes differ between train and test, or files are not images.
    """
    root = resolve_in_root(spec.path, data_root)
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; put train/<class>/* and test/<class>/* into it, or {ANOTHER_ROOT}")
    classes = {split: _list_classes(root / split) for split in SPLITS}
    _check_same_classes(classes["train"], classes["test"], root)
    listed = {split: _list_examples(root / split, classes[split]) for split in SPLITS}
    values_an_image = spec.channels * spec.height * spec.width
    require_memory(sum(len(examples) for examples in listed.values()) * values_an_image, root)
    train_inputs = _decode_all([path for path, _ in listed["train"]], spec, root)
    train_targets = torch.tensor([label for _, label in listed["train"]], dtype=torch.int64)
    if not test:
        return DecodedDataset.without_test(train_inputs, train_targets, len(classes["train"]))
    return DecodedDataset(
        train_inputs=train_inputs,
        train_targets=train_targets,
        test_inputs=_decode_all([path for path, _ in listed["test"]], spec, root),
        test_targets=torch.tensor([label for _, label in listed["test"]], dtype=torch.int64),
        classes=len(classes["train"]),
    )


def _entries(folder: Path) -> list[Path]:
    """Return a folder's entries in the order of names, without hidden files and those of file browsers."""
    try:
        found = [p for p in folder.iterdir() if not p.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({one_line(error)}); it must be a readable folder") from error
    return sorted((p for p in found if p.name.lower() not in _LEFT_BY_FILE_BROWSERS), key=lambda p: p.name)


def _list_classes(folder: Path) -> list[str]:
    entries = _entries(folder)
    strays = [p.name for p in entries if not p.is_dir()]
    if strays:
        raise DataError(f"{folder}: found the file {strays[0]}, expected one folder per class; move it into its class")
    if len(entries) < 2:
        raise DataError(f"{folder}: found {len(entries)} classes, expected at least 2 folders, one per class")
    return [p.name for p in entries]


def _check_same_classes(train: Sequence[str], test: Sequence[str], root: Path) -> None:
    only_train, only_test = sorted(set(train) - set(test)), sorted(set(test) - set(train))
    if only_train or only_test:
        pairs = zip(SPLITS, (only_train, only_test), strict=True)
        parts = [f"only in {split}: {', '.join(names)}" for split, names in pairs if names]
        raise DataError(f"{root}: train and test hold different classes ({'; '.join(parts)}); both must hold the same")


def _list_examples(folder: Path, classes: Sequence[str]) -> list[tuple[Path, int]]:
    by_class: list[list[tuple[Path, int]]] = []
    for label, name in enumerate(classes):
        files = _entries(folder / name)
        if not files:
            raise DataError(f"{folder / name}: is empty; put this class's images there")
        by_class.append([(file, label) for file in files])
    return [example for group in zip_longest(*by_class) for example in group if example is not None]


def _decode_all(paths: Sequence[Path], spec: ImageFolderDataset, root: Path) -> Tensor:
    inside = os.path.realpath(root)
    images = np.empty((len(paths), spec.channels, spec.height, spec.width), dtype=np.uint8)

    def decode_into(index: int) -> str | None:
        try:
            images[index] = _decode(paths[index], spec, inside)
        except Exception as error:  # a damaged file makes a codec raise anything
            return f"{paths[index]} ({one_line(error)})"
        return None

    # Pillow releases the GIL while it decodes and resizes, so threads are enough.
    with ThreadPoolExecutor(max_workers=min(16, os.cpu_count() or 1)) as pool:
        failures = [failure for failure in pool.map(decode_into, range(len(paths))) if failure]
    if failures:
        raise DataError(named_and_counted(failures, "replace or remove what is named"))
    return torch.from_numpy(images)


def _decode(path: Path, spec: ImageFolderDataset, root: str) -> NDArray[np.uint8]:
    if path.is_dir():
        raise IsADirectoryError("a folder; images lie directly in their class's folder")
    if fault := fault_of(path.stat()):
        raise ValueError(fault)
    if path.is_symlink() and leaves(str(path), root) and leaves(str(path), os.path.realpath(path.parent)):
        raise ValueError(f"a link that leaves {root}")
    with Image.open(path) as opened:
        require_sane_size(opened)
        image: Image.Image = opened
        if image.mode in _SIXTEEN_BIT_MODES:
            levels = np.asarray(image).astype(np.uint32)
            image = Image.fromarray(((levels * 255 + 32767) // 65535).astype(np.uint8))
        elif image.mode in ("I", "F"):
            raise ValueError(
                f"{image.mode}: 32-bit values have no known range; save it with 8 or 16 bits, or use kind: arrays"
            )
        elif "transparency" in image.info:
            image = image.convert("RGBA")
        image = image.convert("L" if spec.channels == 1 else "RGB")
        if image.size != (spec.width, spec.height):
            # Pillow's filters widen when reducing, which is the same as torchvision's antialias=True.
            image = image.resize((spec.width, spec.height), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
    return pixels[np.newaxis] if spec.channels == 1 else pixels.transpose(2, 0, 1)
