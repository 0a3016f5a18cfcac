"""Prepare a data set: decode an archive of images in class folders to four arrays that a run reads in a second."""

from __future__ import annotations

import hashlib
import json
import lzma
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import features

from benchsuite.data.arrays.reader import NAMES
from benchsuite.data.checks import one_line
from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.image_folder.reader import read_image_folder
from benchsuite.data.prepared.files import PreparedDataset
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.specs.models.dataset import ImageFolderDataset

MANIFEST = "prepared.json"
LOCK_TIMEOUT_S = 900.0
"""Longest wait for another process that makes the same preparation."""


@dataclass(frozen=True)
class Preparation:
    """A prepared data set on this machine.

    Attributes:
        folder: the folder of its arrays.
        fingerprint: fingerprint of the data decoded when they were made.
        decoder: the library that decoded the images.
        made: True if this call made it; False if it already existed.
    """

    folder: Path
    fingerprint: str
    decoder: str
    made: bool


def prepare(prepared: PreparedDataset, archive: Path, data_root: Path) -> Preparation:
    """Prepare a data set, unless it already exists.

    Examples are ordered as the first image of every class, then the second of every class, and so on, so that any limit
    on their number keeps the classes balanced. The folder gets its name only when it is complete. The next preparation
    removes what a killed one left.

    Args:
        prepared: the data set to prepare.
        archive: the archive to make it from; refused unless its sha256 is the expected one.
        data_root: the folder in which to create its folder.

    Raises:
        DataError: if the archive is missing or a different one, or the folder cannot be written or has other content.
    """
    folder = data_root / prepared.name
    there = read_manifest(prepared, data_root)
    if there is not None:
        return there
    try:
        data_root.mkdir(parents=True, exist_ok=True)
        from filelock import FileLock, Timeout

        try:
            with FileLock(data_root / f".{prepared.name}.lock", timeout=LOCK_TIMEOUT_S):
                there = read_manifest(prepared, data_root)
                if there is not None:
                    return there
                if folder.exists():
                    raise DataError(f"{folder} exists, but was not made by this command; move it away, or delete it")
                _check_archive(prepared, archive)
                return _make(prepared, archive, folder)
        except Timeout:
            raise DataError(f"{folder}: another process has been preparing it for too long; try again") from None
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError) as error:
        message = f"{folder}: cannot be made ({one_line(error)}); check free space and permissions"
        raise DataError(message) from error


def read_manifest(prepared: PreparedDataset, data_root: Path) -> Preparation | None:
    """Return the preparation of the expected archive, or None if there is none or one of its files is missing."""
    folder = data_root / prepared.name
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        made = Preparation(folder, content["fingerprint"], content["decoder"], made=False)
        same = content["archive_sha256"] == prepared.archive_sha256
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return made if same and all((folder / f"{name}.npy").is_file() for name in NAMES) else None


def _check_archive(prepared: PreparedDataset, archive: Path) -> None:
    if not archive.is_file():
        raise DataError(f"{archive}: no such file; give the path of {prepared.archive} with --from")
    with archive.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != prepared.archive_sha256:
        raise DataError(
            f"{archive} is not {prepared.archive}: its sha256 is {found[:16]}…, "
            f"expected {prepared.archive_sha256[:16]}…; nothing was written"
        )


def _make(prepared: PreparedDataset, archive: Path, folder: Path) -> Preparation:
    part = folder.with_name(f".{prepared.name}.part")
    if part.exists():
        shutil.rmtree(part)
    part.mkdir()
    try:
        images = part / "images"
        with tarfile.open(archive) as packed:
            _unpack(packed, images)
        dataset = _decode(prepared, images)
        shutil.rmtree(images)
        arrays = (dataset.train_inputs, dataset.train_targets, dataset.test_inputs, dataset.test_targets)
        for name, tensor in zip(NAMES, arrays, strict=True):
            np.save(part / f"{name}.npy", _narrow(tensor.numpy()))
        made = Preparation(folder, fingerprint(dataset), _decoder(), made=True)
        manifest = {
            "title": prepared.title,
            "archive": prepared.archive,
            "archive_sha256": prepared.archive_sha256,
            "fingerprint": made.fingerprint,
            "decoder": made.decoder,
        }
        (part / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return made


def _unpack(packed: tarfile.TarFile, folder: Path) -> None:
    """Unpack folders and plain files only: no links, and nothing outside the folder.

    Raises:
        tarfile.TarError: if a member is anything else, or outside the folder.

    """
    if hasattr(tarfile, "data_filter"):
        packed.extractall(folder, filter="data")
        return
    # Python before 3.11.4 has no filters.
    for member in packed.getmembers():
        inside = (folder / member.name).resolve().is_relative_to(folder.resolve())
        if not inside or not (member.isreg() or member.isdir()):
            raise tarfile.TarError(f"'{member.name}' is no plain file within the archive's own folder")
    packed.extractall(folder)  # noqa: S202 - every member has been checked


def _decode(prepared: PreparedDataset, images: Path) -> DecodedDataset:
    channels, height, width = prepared.shape
    spec = ImageFolderDataset.model_validate(
        {
            "kind": "image_folder",
            "name": prepared.name,
            "path": str(images),
            "height": height,
            "width": width,
            "channels": channels,
        }
    )
    dataset = read_image_folder(spec, images)
    found = (len(dataset.train_targets), len(dataset.test_targets))
    if found != prepared.examples or dataset.classes != prepared.classes:
        raise DataError(
            f"{prepared.archive} holds {found} images of {dataset.classes} classes, expected {prepared.examples}"
        )
    return dataset


def _narrow(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return values as uint8, one byte per label too; the reader widens labels again."""
    return values.astype(np.uint8)


def _decoder() -> str:
    turbo = features.check_feature("libjpeg_turbo")
    library = f"libjpeg-turbo {features.version_feature('libjpeg_turbo')}" if turbo else "libjpeg"
    return f"Pillow {features.version_module('pil')}, {library}"
