"""The four files of MNIST: their published checksums, and how a missing one is fetched. Imports nothing heavy."""

from __future__ import annotations

import gzip
import http.client
import io
import os
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchsuite.data.roots import ANOTHER_ROOT, OFFLINE_VARIABLE, is_offline
from benchsuite.errors import DataError

CONNECT_TIMEOUT_S = 8.0
"""How long a mirror may stay silent."""
DOWNLOAD_TIMEOUT_S = 300.0
"""How long all four files together may take, however the bytes drip."""

_GZIP_OVERHEAD_BYTES = 1 << 16
_FAILURES = (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException)


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


def fetch_missing(folder: Path, files: Sequence[IdxFile], *, download: bool = True) -> None:
    """Put the missing files there: from a ``.gz`` beside them, else from torchvision's mirrors.

    A file appears under its name only when it is whole and its checksum is right. Each mirror that fails once is not
    asked again, so a machine without a network waits a few seconds at most.

    Args:
        folder: where the files belong.
        files: which files.
        download: False forbids the network; so does the environment's ``BENCHSUITE_OFFLINE``.

    Raises:
        DataError: if a file is still missing; one line that says what to put where.
    """
    if not missing_files(folder, files):
        return
    try:
        for file in missing_files(folder, files):
            packed = folder / f"{file.name}.gz"
            if packed.is_file():
                _unpack_local(folder, file, packed)
        missing = missing_files(folder, files)
        if not missing:
            return
        if is_offline():
            raise DataError(_absent(folder, missing, f"{OFFLINE_VARIABLE} forbids the download"))
        if not download:
            raise DataError(_absent(folder, missing, "downloads are switched off"))
        folder.mkdir(parents=True, exist_ok=True)
        from filelock import FileLock, Timeout

        try:
            # Runs that start at once wait for the first instead of each fetching its own copy.
            with FileLock(folder / ".download.lock", timeout=DOWNLOAD_TIMEOUT_S):
                _download(folder, missing_files(folder, files))
        except Timeout:
            raise DataError(_absent(folder, missing, "another process has been downloading it for too long")) from None
    except _FAILURES as error:
        reason = f"cannot be written there ({type(error).__name__}: {error})"
        raise DataError(_absent(folder, missing_files(folder, files), reason)) from error


def _unpack_local(folder: Path, file: IdxFile, packed: Path) -> None:
    content = packed.read_bytes()
    try:
        _store(folder, file, content)
    except ValueError as error:
        raise DataError(f"{packed} {error}; delete it to download it again") from error


def list_mirrors() -> list[str]:
    """Return torchvision's addresses of MNIST, first choice first."""
    from torchvision.datasets import MNIST  # seconds to import, so only where something is to be downloaded

    return list(MNIST.mirrors)


def _download(folder: Path, missing: Sequence[IdxFile]) -> None:
    if not missing:
        return
    mirrors = list_mirrors()
    reasons: list[str] = []
    deadline = time.monotonic() + DOWNLOAD_TIMEOUT_S
    for file in missing:
        while mirrors:
            try:
                packed = _get(f"{mirrors[0]}{file.name}.gz", file.total_bytes + _GZIP_OVERHEAD_BYTES, deadline)
                _store(folder, file, packed)
                break
            except _FAILURES as error:
                host = urllib.parse.urlsplit(mirrors.pop(0)).hostname
                reasons.append(f"{host}: {' '.join(str(error).split()) or type(error).__name__}")
        else:
            still = missing_files(folder, missing)
            raise DataError(_absent(folder, still, f"the download failed ({'; '.join(reasons)})"))


def _get(url: str, most_bytes: int, deadline: float) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "benchsuite"})  # noqa: S310 - torchvision's mirrors
    received = bytearray()
    with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S) as response:  # noqa: S310 - checked by sha256
        while chunk := response.read(1 << 16):
            received += chunk
            if len(received) > most_bytes:
                raise ValueError(f"sent more than {most_bytes:,} bytes, which is no MNIST file")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not finished after {DOWNLOAD_TIMEOUT_S:.0f} s")
    return bytes(received)


def _store(folder: Path, file: IdxFile, packed: bytes) -> None:
    """Unpack, check, and only then give the file its name."""
    try:
        # One byte more than expected is enough to see that there are too many.
        content = gzip.GzipFile(fileobj=io.BytesIO(packed)).read(file.total_bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"is not a whole gzip file ({error})") from error
    found = sha256(content).hexdigest()
    if found != file.sha256:
        raise ValueError(f"is not MNIST as published: {found_and_expected(found, file)}")
    part = folder / f".{file.name}.{os.getpid()}.part"
    try:
        part.write_bytes(content)
        part.replace(folder / file.name)
    finally:
        part.unlink(missing_ok=True)


def found_and_expected(found: str, file: IdxFile) -> str:
    """Return the two checksums as a message shows them."""
    return f"sha256 of its content is {found[:16]}…, expected {file.sha256[:16]}…"


def _absent(folder: Path, missing: Sequence[IdxFile], reason: str) -> str:
    names = ", ".join(file.name for file in missing)
    return f"MNIST is not whole in {folder}: {reason}; put {names} there (as they are or as .gz), or {ANOTHER_ROOT}"
