"""The four files of MNIST: their published checksums, and where they come from. Imports nothing heavy."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from benchsuite.data.fetching import Package, Publication

DOWNLOAD_TIMEOUT_S = 300.0
"""How long all four files together may take."""

_GZIP_OVERHEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class IdxFile:
    """One published file: its name in torchvision's folder, what it holds, and the sha256 of its raw bytes.

    The checksum is of the decompressed file, since gzip writes the same bytes in more than one way.
    """

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def header_bytes(self) -> int:
        """Length of the header: a magic number, then one 4-byte number a dimension."""
        return 4 * (1 + len(self.shape))

    @property
    def total_bytes(self) -> int:
        """Length of the whole file."""
        count = 1
        for length in self.shape:
            count *= length
        return self.header_bytes + count


TRAIN_IMAGES = IdxFile(
    "train-images-idx3-ubyte",
    (60000, 28, 28),
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
)
TRAIN_LABELS = IdxFile(
    "train-labels-idx1-ubyte",
    (60000,),
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
)
TEST_IMAGES = IdxFile(
    "t10k-images-idx3-ubyte",
    (10000, 28, 28),
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
)
TEST_LABELS = IdxFile(
    "t10k-labels-idx1-ubyte",
    (10000,),
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
MNIST_FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)


def raw_folder(data_root: Path) -> Path:
    """Return the folder of the four files: the one that torchvision uses, so that both share one copy."""
    return data_root / "MNIST" / "raw"


def missing_files(folder: Path, files: Sequence[IdxFile]) -> list[IdxFile]:
    """Return which of the files are not there."""
    return [file for file in files if not (folder / file.name).is_file()]


def publication(folder: Path, files: Sequence[IdxFile]) -> Publication:
    """Return what can be fetched into ``folder``: each file from a ``.gz`` of its own."""
    packages = [
        Package(
            name=f"{file.name}.gz",
            files=(file.name,),
            beside=folder / f"{file.name}.gz",
            most_bytes=file.total_bytes + _GZIP_OVERHEAD_BYTES,
            unpack=partial(_unpack, file),
        )
        for file in files
    ]
    return Publication("MNIST", folder, packages, lambda: list_mirrors(), _how_to_put, DOWNLOAD_TIMEOUT_S)


def list_mirrors() -> list[str]:
    """Return torchvision's addresses of MNIST, first choice first."""
    from torchvision.datasets import MNIST  # seconds to import, so only where something is to be downloaded

    return list(MNIST.mirrors)


def _how_to_put(missing: Sequence[str]) -> str:
    return f"{', '.join(missing)} there (as they are or as .gz)"


def _unpack(file: IdxFile, packed: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        # One byte more than expected is enough to see that there are too many.
        content = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(file.total_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"is not a whole gzip file ({error})") from error
    found = sha256(content).hexdigest()
    if found != file.sha256:
        raise ValueError(f"is not MNIST as published: {found_and_expected(found, file)}")
    yield file.name, content


def found_and_expected(found: str, file: IdxFile) -> str:
    """Return the two checksums as a message shows them."""
    return f"sha256 of its content is {found[:16]}…, expected {file.sha256[:16]}…"
