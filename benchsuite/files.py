"""Files written in one step: a reader, or a crash at any moment, finds the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchsuite.errors import StoreError

TEMPORARY_FILES = ".*.tmp"
"""Glob of the names that files have while they are written. A killed process leaves such a file behind."""


@contextmanager
def replaced_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Give a stream whose content takes the file's place when the block ends without an exception.

    Folders above the file are created.

    Raises:
        StoreError: if the folder cannot be written; the old file is then untouched.
    """
    # Not tempfile: its files are private to the user, and stores and sites are there to be shared.
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


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Replace a file's content; raises as ``replaced_atomically`` does."""
    with replaced_atomically(path) as stream:
        stream.write(content)


def write_text_atomically(path: Path, text: str) -> None:
    """Replace a file's content by a text, as UTF-8; raises as ``replaced_atomically`` does."""
    write_bytes_atomically(path, text.encode())


def create_text_atomically(path: Path, text: str) -> None:
    """Write a text to a file that does not exist yet, whole or not at all.

    Raises:
        FileExistsError: if the file exists, also if another process created it just now; it is untouched.
        StoreError: if the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    write_text_atomically(temporary, text)
    try:
        # A rename would replace what came in between; a link does not.
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        # Some file systems have no links: there, a moment between looking and renaming is left.
        if path.exists():
            raise FileExistsError(str(path)) from error
        try:
            temporary.replace(path)
        except OSError as failure:
            raise StoreError(f"cannot write {path}: {failure.strerror or failure}") from failure
    finally:
        temporary.unlink(missing_ok=True)
