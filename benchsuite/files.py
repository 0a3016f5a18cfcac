"""Atomic writing of files: after a crash at any moment, and for any reader, a file has its old or its new content."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from benchsuite.errors import StoreError

TEMPORARY_FILES = ".*.tmp"
"""Glob of temporary files, used while content is written. A killed process leaves such a file behind."""

LEFT_OVER_AFTER_S = 3600.0
"""Age after which a temporary file is left over: no write takes an hour without a change of the file."""

DAMAGED = ".damaged"
"""Ending of a damaged file's name after it was set aside."""


@contextmanager
def replaced_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a stream whose content replaces the file when the block ends without an exception.

    Missing parent folders are created.

    Raises:
        StoreError: if the folder cannot be written; the old file is then unchanged.
    """
    # Not tempfile: its files are private to the user, but stores and sites are shared.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise StoreError(f"cannot write {path}: {why}; free space or choose another folder") from error


def discard(path: Path) -> bool:
    """Delete a file that is of no use any more; return False if the file system does not allow it."""
    try:
        path.unlink(missing_ok=True)
    except OSError:  # read-only by now, or the folder is gone
        return False
    return True


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that it is kept beside its place, and return its new path; no other file is replaced.

    Raises:
        StoreError: if it cannot be renamed.
    """
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}{DAMAGED}{'' if number == 1 else f'-{number}'}")
        if not aside.exists():
            break
    try:
        return path.rename(aside)
    except OSError as error:
        raise StoreError(f"cannot rename {path}: {error.strerror or error}") from error


def remove_left_over(folder: Path, pattern: str = "*", older_than_s: float = 0.0) -> int:
    """Delete temporary files and folders that killed processes left in a folder; return their number.

    Args:
        folder: its subfolders are not searched.
        pattern: glob of the files for which they were written.
        older_than_s: leave those that changed later; a process may still be writing them.

    """
    removed = 0
    for path in folder.glob(f".{pattern}.*.tmp"):
        with suppress(OSError):  # gone by now, or another user's
            if time.time() - path.lstat().st_mtime < older_than_s:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
            removed += 1
    return removed


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content; raises as ``replaced_atomically`` does."""
    with replaced_atomically(path) as stream:
        stream.write(content)


def write_text_atomically(path: Path, text: str) -> None:
    """Replace a file's content by a text in UTF-8; raises as ``replaced_atomically`` does."""
    write_bytes_atomically(path, text.encode())


def create_text_atomically(path: Path, text: str) -> None:
    """Write a text to a file that does not exist yet, completely or not at all.

    Raises:
        FileExistsError: if the file exists, also if another process has just created it; it is unchanged.
        StoreError: if the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    write_text_atomically(temporary, text)
    try:
        # A rename would replace a file that another process has just created; a link does not.
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        # Some file systems have no links; there another process can still create the file between check and rename.
        if path.exists():
            raise FileExistsError(str(path)) from error
        try:
            temporary.replace(path)
        except OSError as failure:
            raise StoreError(f"cannot write {path}: {failure.strerror or failure}") from failure
    finally:
        discard(temporary)
