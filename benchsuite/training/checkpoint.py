"""Complete checkpoints, written atomically, with a checksum, and resumed only by the run that wrote them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import IO, Any

import torch

from benchsuite.errors import DamagedFileError, StoreError
from benchsuite.files import replaced_atomically

LAYOUT = 5
"""Version of a checkpoint's entries and their format; raised whenever an older checkpoint could not be resumed."""

# A file is torch's zip archive, this text, and the sha256 of the archive: torch's reader checks no checksum of its own.
SEAL = b"\nbenchsuite checkpoint, sha256 of all above:"
DIGEST_BYTES = hashlib.sha256().digest_size
TRAILER_BYTES = len(SEAL) + DIGEST_BYTES
CHUNK_BYTES = 1 << 20


class _HashedStream:
    """A stream that hashes what is written to it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    def digest(self) -> bytes:
        return self._hash.digest()


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically: a crash at any moment leaves the old one or the new one.

    Raises:
        StoreError: if it cannot be written; the old one is then unchanged.
    """
    with replaced_atomically(path) as stream:
        hashed = _HashedStream(stream)
        try:
            torch.save({"layout": LAYOUT, **content}, hashed)  # type: ignore[arg-type]  # torch needs these two only
        except RuntimeError as error:
            # torch's zip writer reports a full disk as a RuntimeError, in words that do not name it.
            why = error.__context__ if isinstance(error.__context__, OSError) else error
            raise StoreError(f"cannot write checkpoint {path}: {_words(why)}") from error
        stream.write(SEAL + hashed.digest())


def load_checkpoint(path: Path, result_key: str) -> dict[str, Any] | None:
    """Return a checkpoint's content, or None if there is none that this run may resume.

    A checkpoint with another result key (other code, other data) or with the layout of another version counts as none.
    The run then starts from the beginning. Nothing is unpickled before the checksum fits, and never any code.

    Raises:
        DamagedFileError: if the file cannot be read, or is not as it was written.
    """
    try:
        if not path.is_file():
            return None
        _require_intact(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except DamagedFileError:
        raise
    except Exception as error:  # torch lists no errors; pickle, zip and the file system raise a dozen kinds
        raise DamagedFileError(f"cannot be read: {_words(error)}") from error
    if not isinstance(content, dict):
        raise DamagedFileError("it does not hold a run's state")
    known = (content.get("layout"), content.get("result_key")) == (LAYOUT, result_key)
    return content if known else None


def _require_intact(path: Path) -> None:
    """Raise DamagedFileError unless the file ends with the checksum of all before it."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        left = path.stat().st_size - TRAILER_BYTES
        while left > 0 and (chunk := stream.read(min(left, CHUNK_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
        trailer = stream.read()
    if len(trailer) != TRAILER_BYTES or not trailer.startswith(SEAL):
        raise DamagedFileError("it has no checksum: cut short, damaged, or saved by an older version")
    if trailer[len(SEAL) :] != digest.digest():
        raise DamagedFileError("its checksum does not fit its content")


def _words(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
