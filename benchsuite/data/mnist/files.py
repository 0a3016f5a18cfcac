"""The four files of MNIST: published checksums and download addresses. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from benchsuite.data.fetching import Package, Publication

DOWNLOAD_TIMEOUT_S = 300.0
"""Time limit for downloading all four files together."""


@dataclass(frozen=True)
class IdxFile:
    """One published file.

    Attributes:
        name: of the file in torchvision's folder.
        shape: of the array in the file, one byte per number.
        sha256: of the unpacked content, since gzip can pack the same bytes in more than one way.
        packed_md5: of the ``.gz`` on the mirrors, as in torchvision.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str
    packed_md5: str

    @property
    def total_bytes(self) -> int:
        """Return the file's length: a magic number, one 4-byte number per dimension, and the numbers."""
        return 4 * (1 + len(self.shape)) + prod(self.shape)


TRAIN_IMAGES = IdxFile(
    "train-images-idx3-ubyte",
    (60000, 28, 28),
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "f68b3c2dcbeaaa9fbdd348bbdeb94873",
)
TRAIN_LABELS = IdxFile(
    "train-labels-idx1-ubyte",
    (60000,),
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "d53e105ee54ea40749a09fcbcd1e9432",
)
TEST_IMAGES = IdxFile(
    "t10k-images-idx3-ubyte",
    (10000, 28, 28),
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "9fb629c4189551a2d022fa330f9573f3",
)
TEST_LABELS = IdxFile(
    "t10k-labels-idx1-ubyte",
    (10000,),
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "ec29112dd5afa0611ce80d1b7f02629c",
)
MNIST_FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


def raw_folder(data_root: Path) -> Path:
    """Return the folder of the four files: the same as torchvision's, so that both share one copy."""
    return data_root / "MNIST" / "raw"


def missing_files(folder: Path, files: Sequence[IdxFile]) -> list[IdxFile]:
    """Return the files that are missing."""
    return [file for file in files if not (folder / file.name).is_file()]


def publication(folder: Path, files: Sequence[IdxFile]) -> Publication:
    """Return the downloads into ``folder``: each file from its own ``.gz``."""
    return Publication(
        title="MNIST",
        folder=folder,
        checksums={file.name: f"sha256:{file.sha256}" for file in files},
        packages=[
            Package(f"{file.name}.gz", f"md5:{file.packed_md5}", (file.name,), beside=folder / f"{file.name}.gz")
            for file in files
        ],
        mirrors=lambda: list_mirrors(),
        instead=" (as they are or as .gz)",
        timeout_s=DOWNLOAD_TIMEOUT_S,
    )


def list_mirrors() -> list[str]:
    """Return torchvision's addresses of MNIST, first choice first."""
    from torchvision.datasets import MNIST  # seconds to import, so only where something is to be downloaded

    return list(MNIST.mirrors)
