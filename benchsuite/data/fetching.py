"""How published files that are missing come to be there: from a copy beside them, else from a mirror, checked, whole.

What a data set's files are and how they are checked is its own module's; this one knows only packages. Imports nothing
heavy.
"""

from __future__ import annotations

import http.client
import os
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchsuite.data.roots import ANOTHER_ROOT, OFFLINE_VARIABLE, is_offline
from benchsuite.errors import DataError

CONNECT_TIMEOUT_S = 8.0
"""How long a mirror may stay silent."""

_FAILURES = (OSError, EOFError, ValueError, zlib.error, http.client.HTTPException)


@dataclass(frozen=True)
class Package:
    """One packed file, as mirrors have it.

    Attributes:
        name: what a mirror calls it.
        files: names of the files it gives.
        beside: where a copy brought by hand may lie.
        most_bytes: more than that is something else, and is not received to its end.
        unpack: yields names and contents from the packed bytes; raises ValueError for what is not as published.
    """

    name: str
    files: tuple[str, ...]
    beside: Path
    most_bytes: int
    unpack: Callable[[bytes], Iterator[tuple[str, bytes]]]


@dataclass(frozen=True)
class Publication:
    """A data set's files, and where they come from.

    Attributes:
        title: what messages call it.
        folder: where its files belong.
        packages: what can be fetched.
        mirrors: returns addresses that end in a slash, first choice first; asked only before a download.
        how_to_put: from the names that are missing, what a person may put where; completes "…; put".
        timeout_s: how long all packages together may take, however the bytes drip.
    """

    title: str
    folder: Path
    packages: Sequence[Package]
    mirrors: Callable[[], list[str]]
    how_to_put: Callable[[Sequence[str]], str]
    timeout_s: float

    def missing(self) -> list[str]:
        """Return which files are not there."""
        return [name for package in self.packages for name in package.files if not (self.folder / name).is_file()]

    def packages_missing(self) -> list[Package]:
        """Return the packages of which a file is not there."""
        return [p for p in self.packages if any(not (self.folder / name).is_file() for name in p.files)]

    def absent(self, reason: str) -> DataError:
        """Return the error that says what is missing, why, and what to put where."""
        where = f"{self.title} is not whole in {self.folder}"
        return DataError(f"{where}: {reason}; put {self.how_to_put(self.missing())}, or {ANOTHER_ROOT}")


def fetch_missing(publication: Publication, *, download: bool = True) -> None:
    """Put the missing files there: from a package beside them, else from a mirror.

    A file appears under its name only when it is whole and its checksum is right. Each mirror that fails once is not
    asked again, so a machine without a network waits a few seconds at most.

    Args:
        publication: which files.
        download: False forbids the network; so does the environment's ``BENCHSUITE_OFFLINE``.

    Raises:
        DataError: if a file is still missing; one line that says what to put where.
    """
    if not publication.missing():
        return
    try:
        for package in publication.packages_missing():
            if package.beside.is_file():
                _unpack_beside(publication, package)
        if not publication.missing():
            return
        if is_offline():
            raise publication.absent(f"{OFFLINE_VARIABLE} forbids the download")
        if not download:
            raise publication.absent("downloads are switched off")
        publication.folder.mkdir(parents=True, exist_ok=True)
        from filelock import FileLock, Timeout

        try:
            # Runs that start at once wait for the first instead of each fetching its own copy.
            with FileLock(publication.folder / ".download.lock", timeout=publication.timeout_s):
                _download(publication)
        except Timeout:
            raise publication.absent("another process has been downloading it for too long") from None
    except _FAILURES as error:
        raise publication.absent(f"cannot be written there ({type(error).__name__}: {error})") from error


def _unpack_beside(publication: Publication, package: Package) -> None:
    content = package.beside.read_bytes()
    try:
        _store_all(publication, package, content)
    except ValueError as error:
        raise DataError(f"{package.beside} {error}; delete it to download it again") from error


def _download(publication: Publication) -> None:
    packages = publication.packages_missing()
    if not packages:
        return
    mirrors = publication.mirrors()
    reasons: list[str] = []
    deadline = time.monotonic() + publication.timeout_s
    for package in packages:
        while mirrors:
            try:
                _store_all(publication, package, _get(publication, package, mirrors[0], deadline))
                break
            except _FAILURES as error:
                host = urllib.parse.urlsplit(mirrors.pop(0)).hostname
                reasons.append(f"{host}: {' '.join(str(error).split()) or type(error).__name__}")
        else:
            raise publication.absent(f"the download failed ({'; '.join(reasons)})")


def _get(publication: Publication, package: Package, mirror: str, deadline: float) -> bytes:
    address = mirror + package.name
    request = urllib.request.Request(address, headers={"User-Agent": "benchsuite"})  # noqa: S310 - torchvision's mirrors
    received = bytearray()
    with urllib.request.urlopen(request, timeout=CONNECT_TIMEOUT_S) as response:  # noqa: S310 - checked before its use
        while chunk := response.read(1 << 16):
            received += chunk
            if len(received) > package.most_bytes:
                raise ValueError(f"sent more than {package.most_bytes:,} bytes, which is no {publication.title} file")
            if time.monotonic() > deadline:
                raise TimeoutError(f"not finished after {publication.timeout_s:.0f} s")
    return bytes(received)


def _store_all(publication: Publication, package: Package, packed: bytes) -> None:
    """Unpack, check, and only then give each file that is missing its name."""
    for name, content in package.unpack(packed):
        target = publication.folder / name
        if target.is_file():
            continue  # what is there already is the reader's to judge, not ours to replace
        publication.folder.mkdir(parents=True, exist_ok=True)
        part = publication.folder / f".{name}.{os.getpid()}.part"
        try:
            part.write_bytes(content)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
