"""Fetch missing data set files (local archive, then mirrors); verify checksums; write atomically.

Each data set's own module lists its files; this one handles only packages. Imports nothing heavy.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import time
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchsuite.data.roots import ANOTHER_ROOT, OFFLINE_VARIABLE, is_offline
from benchsuite.data.wording import one_line
from benchsuite.errors import DataError, StoreError
from benchsuite.files import write_bytes_atomically

CONNECT_TIMEOUT_S = 8.0
"""Time limit for a mirror's first answer and for each pause between bytes."""

MOST_BYTES = 1 << 28
"""Size limit for a file of a data set, packed or not; a download that exceeds it is stopped."""

DOWNLOADS = ".download"
"""Folder beside a data set's files that holds a package while it is downloaded and unpacked."""


@dataclass(frozen=True)
class Package:
    """One packed file on the mirrors.

    Attributes:
        name: of the file on a mirror; ends in ``.tar.gz``, or in ``.gz`` if it holds one file.
        checksum: of the file on a mirror, as ``md5:…`` or ``sha256:…``.
        files: names of the files in it.
        beside: path of a local copy, which is tried first. It may be packed differently: only its content is checked.
    """

    name: str
    checksum: str
    files: tuple[str, ...]
    beside: Path


@dataclass(frozen=True)
class Publication:
    """A data set's published files and their mirrors.

    Attributes:
        title: name of the data set in messages.
        folder: folder of its files.
        checksums: of each file's content, as ``md5:…`` or ``sha256:…``.
        packages: the packages that can be fetched.
        mirrors: returns addresses that end in a slash, first choice first; called only before a download.
        instead: an alternative for the user to putting the files there; ends "…; put NAMES there".
        timeout_s: time limit for all packages together, also when bytes keep arriving slowly.
    """

    title: str
    folder: Path
    checksums: Mapping[str, str]
    packages: Sequence[Package]
    mirrors: Callable[[], list[str]]
    instead: str
    timeout_s: float

    def missing(self) -> list[str]:
        """Return the names of the missing files."""
        return [name for package in self.packages for name in package.files if not (self.folder / name).is_file()]

    def packages_missing(self) -> list[Package]:
        """Return the packages of which a file is missing."""
        return [p for p in self.packages if any(not (self.folder / name).is_file() for name in p.files)]

    def absent(self, reason: str) -> DataError:
        """Return an error that names the missing files, the reason, and where to put them."""
        remedy = f"put {', '.join(self.missing())} there{self.instead}, or {ANOTHER_ROOT}"
        return DataError(f"{self.title} is not complete in {self.folder}: {reason}; {remedy}")

    def published_mismatch(self, name: str, content: bytes) -> str | None:
        """Return a description of how a file's content differs from the published one; None if it does not."""
        algorithm, _, expected = self.checksums[name].partition(":")
        found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
        if found == expected:
            return None
        difference = f"{len(content):,} bytes, {algorithm} is {found[:16]}…, expected {expected[:16]}…"
        return f"is not {self.title} as published: {difference}"

    def read(self, name: str) -> bytes:
        """Return a file's content after verifying that it is the published one.

        Raises:
            DataError: if it cannot be read, or differs.
        """
        path = self.folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({one_line(error)}); make it readable or delete it") from error
        wrong = self.published_mismatch(name, content)
        if wrong:
            remedy = "delete the file to download it again, or use kind: arrays for your own data"
            raise DataError(f"{path} {wrong}; {remedy}")
        return content


def fetch_missing(publication: Publication, *, download: bool = True) -> None:
    """Fetch the missing files from a local package, else from a mirror.

    A file appears under its name only when it is complete and its checksum is right. A mirror that fails once is not
    tried again, so a machine without a network waits a few seconds at most.

    Args:
        publication: the files to fetch.
        download: False forbids the network; so does the environment's ``BENCHSUITE_OFFLINE``.

    Raises:
        DataError: if a file is still missing; one line that says which files to put where.
    """
    if not publication.missing():
        return
    try:
        for package in publication.packages_missing():
            if package.beside.is_file():
                try:
                    _unpack(publication, package, package.beside)
                except ValueError as error:
                    raise DataError(f"{package.beside} {error}; delete it to download it again") from error
        if not publication.missing():
            return
        if is_offline():
            raise publication.absent(f"{OFFLINE_VARIABLE} forbids the download")
        if not download:
            raise publication.absent("downloads are switched off")
        publication.folder.mkdir(parents=True, exist_ok=True)
        from filelock import FileLock, Timeout

        try:
            # Runs that start at the same time wait for the first one instead of each fetching its own copy.
            with FileLock(publication.folder / ".download.lock", timeout=publication.timeout_s):
                _download(publication)
        except Timeout:
            raise publication.absent("another process has been downloading it for too long") from None
    except (OSError, StoreError) as error:
        raise publication.absent(f"cannot be written there ({one_line(error)})") from error


def _download(publication: Publication) -> None:
    """Download the files still missing from the first mirror that has them; the caller holds the lock."""
    packages = publication.packages_missing()
    if not packages:
        return
    mirrors = publication.mirrors()
    reasons: list[str] = []
    limits = _Limits(publication.timeout_s)
    folder = publication.folder / DOWNLOADS
    shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
    try:
        for package in packages:
            while mirrors:
                try:
                    _unpack(publication, package, _retrieve(package, mirrors[0], folder, limits))
                    break
                except (OSError, ValueError) as error:  # those of requests are OSErrors
                    host = urllib.parse.urlsplit(mirrors.pop(0)).hostname
                    reasons.append(f"{host}: {' '.join(str(error).split()) or type(error).__name__}")
            else:
                raise publication.absent(f"the download failed ({'; '.join(reasons)})")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _retrieve(package: Package, mirror: str, folder: Path, limits: _Limits) -> Path:
    import pooch  # a tenth of a second to import, so only where something is to be downloaded

    pooch.get_logger().setLevel("WARNING")
    # Identity: the bytes received must be the file, even if a server treats .gz as a content encoding.
    headers = {"User-Agent": "benchsuite", "Accept-Encoding": "identity"}
    limits.reset()
    receive = pooch.HTTPDownloader(limits, chunk_size=1 << 16, timeout=CONNECT_TIMEOUT_S, headers=headers)
    address = mirror + package.name
    return Path(pooch.retrieve(address, package.checksum, fname=package.name, path=folder, downloader=receive))


class _Limits:
    """Stop a download that takes too long or is too large; pooch calls it for each chunk, like a progress bar."""

    total = received = 0

    def __init__(self, timeout_s: float) -> None:
        self.deadline = time.monotonic() + timeout_s

    def update(self, count: int) -> None:
        self.received += count
        if self.received > MOST_BYTES:
            raise ValueError(f"sent more than {MOST_BYTES:,} bytes, more than any file of the data set has")
        if time.monotonic() > self.deadline:
            raise TimeoutError("the download took too long")

    def reset(self) -> None:
        self.received = 0

    def close(self) -> None:
        pass


def _unpack(publication: Publication, package: Package, packed: Path) -> None:
    """Unpack a package, verify its files, and move the missing ones into place.

    Raises:
        ValueError: if the package is damaged or does not hold the published files.
    """
    left = set(package.files)
    unpacked = _members_of_tar if package.name.endswith(".tar.gz") else _content_of_gzip
    for name, content in unpacked(package, packed):
        if wrong := publication.published_mismatch(name, content):
            raise ValueError(wrong if len(package.files) == 1 else f"holds a {name} that {wrong}")
        left.discard(name)
        if not (publication.folder / name).is_file():  # what is there is the reader's to judge, not ours to replace
            write_bytes_atomically(publication.folder / name, content)
    if left:
        missing = ", ".join(f"{publication.folder.name}/{name}" for name in package.files if name in left)
        raise ValueError(f"is not {publication.title} as published: it holds no {missing}")


def _content_of_gzip(package: Package, packed: Path) -> Iterator[tuple[str, bytes]]:
    (name,) = package.files
    try:
        with gzip.open(packed) as stream:
            yield name, stream.read(MOST_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"is not a complete gzip file ({error})") from error


def _members_of_tar(package: Package, packed: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the wanted files by base name; no path from inside the archive is ever used for writing."""
    try:
        with tarfile.open(packed, mode="r:gz") as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                stream = archive.extractfile(member) if name in package.files else None
                if stream is not None:
                    yield name, stream.read(MOST_BYTES)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"is not a complete .tar.gz ({error})") from error
