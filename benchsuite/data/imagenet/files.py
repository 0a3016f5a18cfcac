"""List ImageNet's images with their classes, from ILSVRC-2012's folders in either layout of ``val``."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchsuite.data.plain_files import fault_of, leaves, named_and_counted
from benchsuite.data.roots import ANOTHER_ROOT
from benchsuite.data.wording import one_line
from benchsuite.errors import DataError

SUFFIXES = (".jpeg", ".jpg", ".png")
TRUTH = "ILSVRC2012_validation_ground_truth.txt"
"""File in the development kit: one ILSVRC2012_ID per line for each validation image, in the order of names."""
META = "meta.mat"
"""File in the development kit: the wnid of each ILSVRC2012_ID."""
SOLUTION = "LOC_val_solution.csv"
"""File in the Kaggle distribution: ImageId, and the wnid as the first word of PredictionString."""

_DEPTH = 3
_IMAGE_FOLDERS = frozenset({"train", "val", "test"})


@dataclass(frozen=True)
class ListedImages:
    """Images of one part, in the order of their numbers.

    Attributes:
        paths: paths relative to the root, as file system bytes.
        labels: class index per image, int64.
        sizes: file sizes in bytes, int64.
    """

    paths: NDArray[np.bytes_]
    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def first(self, limit: int | None) -> ListedImages:
        """Return the first ``limit`` images."""
        return ListedImages(self.paths[:limit], self.labels[:limit], self.sizes[:limit])


@dataclass(frozen=True)
class ImagenetListing:
    """The images and classes found in the folders.

    Attributes:
        root: the folder with ``train`` and ``val``.
        wnids: names of the classes in the order of their numbers, which is alphabetical.
        train: training images: the first of every class, then the second, and so on.
        test: test images, from ``val``: in the same order, or in the order of names if they are in one folder.
    """

    root: Path
    wnids: tuple[str, ...]
    train: ListedImages
    test: ListedImages

    def fingerprint(self) -> str:
        """Return the sha256 over the path, class and size in bytes of every image; 64 hexadecimal digits.

        Pixels are not included: decoding a million images takes longer than many runs. ``benchsuite data verify``
        checks them.
        """
        digest = hashlib.sha256(b"benchsuite imagenet 1\n" + "\n".join(self.wnids).encode())
        for name, part in (("train", self.train), ("test", self.test)):
            digest.update(f"{name} {len(part)}\n".encode())
            digest.update(b"\0".join(part.paths.tolist()))
            digest.update(part.labels.astype("<i8").tobytes())
            digest.update(part.sizes.astype("<i8").tobytes())
        return digest.hexdigest()


def list_imagenet(root: Path) -> ImagenetListing:
    """List ImageNet's folders; no image is opened.

    Args:
        root: the folder with ``train/<wnid>/*.JPEG`` and ``val``. ``val`` has class folders like ``train``, or all
            images in one folder; then the development kit (``ILSVRC2012_validation_ground_truth.txt`` and
            ``meta.mat``) or Kaggle's ``LOC_val_solution.csv`` must be up to three folders below or above.

    Raises:
        DataError: if folders are missing or empty, or the classes of a flat ``val`` are unknown.
    """
    for name in ("train", "val"):
        if not (root / name).is_dir():
            raise DataError(
                f"{root / name}: no such folder; put ILSVRC-2012's train/<wnid>/*.JPEG and val there, or {ANOTHER_ROOT}"
            )
    wnids = tuple(sorted(entry.name for entry in os.scandir(root / "train") if entry.is_dir()))
    if len(wnids) < 2:
        raise DataError(f"{root / 'train'}: found {len(wnids)} classes, expected at least 2 folders, one per class")
    has_folders = any(entry.is_dir() for entry in os.scandir(root / "val"))
    _require_images(root, [*(f"train/{wnid}" for wnid in wnids), *_folders_of_val(wnids, has_folders)])
    train = _in_class_folders(root, "train", wnids)
    test = _in_class_folders(root, "val", wnids) if has_folders else _in_one_folder(root, wnids)
    return ImagenetListing(root, wnids, train, test)


def _folders_of_val(wnids: Sequence[str], has_folders: bool) -> list[str]:
    return [f"val/{wnid}" for wnid in wnids] if has_folders else ["val"]


def _require_images(root: Path, folders: Sequence[str]) -> None:
    """Raise DataError, which names and counts them, if entries named as images are no plain, filled files."""
    faults = []
    for name in folders:
        folder = root / name
        inside = os.path.realpath(root), os.path.realpath(folder)
        for entry in _entries(folder):
            try:
                fault = fault_of(entry.stat())
            except OSError as error:
                fault = error.strerror or type(error).__name__
            if not fault and entry.is_symlink() and all(leaves(entry.path, place) for place in inside):
                fault = f"a link that leaves {root}"
            if fault:
                faults.append(f"{entry.path} ({fault})")
    if faults:
        raise DataError(named_and_counted(sorted(faults), "replace or remove what is named"))


def _in_class_folders(root: Path, part: str, wnids: Sequence[str]) -> ListedImages:
    strangers = {e.name for e in os.scandir(root / part) if e.is_dir()} - set(wnids)
    if strangers:
        raise DataError(
            f"{root / part}: class '{min(strangers)}' is not one of train's {len(wnids)}; both need the same classes"
        )
    by_class = []
    for label, wnid in enumerate(wnids):
        found = _images(root / part / wnid)
        if not found:
            raise DataError(f"{root / part / wnid}: holds no images; put this class's there")
        by_class.append([(f"{part}/{wnid}/{name}", label, size) for name, size in found])
    return _listed([image for group in zip_longest(*by_class) for image in group if image is not None])


def _in_one_folder(root: Path, wnids: Sequence[str]) -> ListedImages:
    found = _images(root / "val")
    if not found:
        raise DataError(f"{root / 'val'}: holds no images; put the validation images there")
    numbers = {wnid: label for label, wnid in enumerate(wnids)}
    truth = _truth(root, [name for name, _ in found])
    missing = [name for name, _ in found if name not in truth]
    if missing:
        raise DataError(f"{root / 'val' / missing[0]}: no label is given for it ({len(missing)} such images)")
    strangers = sorted({truth[name] for name, _ in found} - set(numbers))
    if strangers:
        raise DataError(f"{root / 'val'}: class '{strangers[0]}' is not one of train's {len(wnids)}")
    return _listed([(f"val/{name}", numbers[truth[name]], size) for name, size in found])


def _images(folder: Path) -> list[tuple[str, int]]:
    """Return (name, size) of a folder's images, in the order of names."""
    return sorted((entry.name, entry.stat().st_size) for entry in _entries(folder))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return a folder's entries that are named as images; none if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.lower().endswith(SUFFIXES)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({one_line(error)}); it must be a readable folder") from error


def _listed(images: Sequence[tuple[str, int, int]]) -> ListedImages:
    paths = np.array([os.fsencode(path) for path, _, _ in images])
    labels = np.array([label for _, label, _ in images], dtype=np.int64)
    return ListedImages(paths, labels, np.array([size for _, _, size in images], dtype=np.int64))


def _truth(root: Path, names: Sequence[str]) -> Mapping[str, str]:
    """Return the wnid of each image of a flat ``val``, from Kaggle's file or the development kit."""
    solution = _find(root, SOLUTION)
    if solution is not None:
        classes = _solution(solution)
        return {name: classes[Path(name).stem] for name in names if Path(name).stem in classes}
    truth, meta = _find(root, TRUTH), _find(root, META)
    if truth is None or meta is None:
        raise DataError(
            f"{root / 'val'}: holds images outside class folders, but there is neither the development kit "
            f"({TRUTH} and {META}) nor {SOLUTION} in or under {root}; add one, or sort the images into folders"
        )
    ids = _ids(truth)
    if len(ids) != len(names):
        raise DataError(f"{truth}: has {len(ids)} lines for {len(names)} images; both must be complete")
    wnids = _wnids_by_id(meta)
    return {name: wnids[number] for name, number in zip(names, ids, strict=True) if number in wnids}


def _solution(path: Path) -> dict[str, str]:
    """Return the wnid of each image in Kaggle's file; raises DataError, with the place, if it is another file."""
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = csv.DictReader(stream)
            missing = {"ImageId", "PredictionString"} - set(rows.fieldnames or ())
            if missing:
                found = ", ".join(rows.fieldnames or ()) or "none"
                raise DataError(
                    f"{path}: has no column {' or '.join(sorted(missing))} (columns: {found[:200]}); "
                    "put Kaggle's own file there"
                )
            classes: dict[str, str] = {}
            empty = []
            for row in rows:
                words = (row["PredictionString"] or "").split()
                if words and row["ImageId"]:
                    classes[row["ImageId"]] = words[0]
                else:
                    empty.append(rows.line_num)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as Kaggle's ({one_line(error)}); put its own file there") from error
    if empty:
        lines = "1 line has" if len(empty) == 1 else f"{len(empty)} lines have"
        raise DataError(f"{path}: {lines} no image or no class, the first is line {empty[0]}; put Kaggle's file there")
    return classes


def _ids(path: Path) -> list[int]:
    """Return the numbers of the classes in the development kit's file, one per image."""
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as the development kit's ({one_line(error)})") from error
    strange = [(place, line) for place, line in enumerate(lines, start=1) if not line.isdecimal()]
    if strange:
        place, line = strange[0]
        raise DataError(
            f"{path}: entry {place} is '{line[:40]}', expected the number of a class ({len(strange)} such entries); "
            "put the development kit's own file there"
        )
    return [int(line) for line in lines]


def _wnids_by_id(meta: Path) -> dict[int, str]:
    from scipy.io import loadmat

    try:
        synsets = loadmat(meta, squeeze_me=True)["synsets"]
        return {int(synset["ILSVRC2012_ID"]): str(synset["WNID"]) for synset in np.atleast_1d(synsets)}
    except Exception as error:  # a damaged file makes the reader raise anything
        raise DataError(f"{meta}: cannot be read as the development kit's ({one_line(error)})") from error


def _find(root: Path, name: str) -> Path | None:
    """Find a file in the root or below, outside image folders, or beside the root and its parents (as on Kaggle)."""
    for folder, below, files in os.walk(root):
        if name in files:
            return Path(folder) / name
        deep = len(Path(folder).relative_to(root).parts) >= _DEPTH
        below[:] = [] if deep else sorted(set(below) - _IMAGE_FOLDERS)
    for parent in list(root.absolute().parents)[:_DEPTH]:
        for path in (parent / name, *sorted(parent.glob(f"ILSVRC2012_devkit*/data/{name}"))):
            if path.is_file():
                return path
    return None
