"""Write the site's folder: atomically, as a whole or per file, without touching foreign files."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from pydantic_core import to_json

from benchsuite.errors import StoreError
from benchsuite.files import LEFT_OVER_AFTER_S, remove_left_over, write_bytes_atomically
from benchsuite.records.store import SITE_MARKER

MARKER = SITE_MARKER
"""JSON list of our files, so that a later build can tell them from others. Not named .json: it is no record."""


START = "index.html"
"""The start page, by path within the site."""

_PLAIN_NAME = re.compile(r"\w[\w.-]*+(?:/\w[\w.-]*+)*+")
"""A path within the site of which no part begins with a dot."""

WRITERS = 8
"""Files that are written at once; with more there is no gain."""

Content = bytes | Path
"""Content of a file, or a staged file on the same disk that is moved into place."""


def publish(files: Mapping[str, Content], out: Path, staging: Path, owned: Set[str], unchanged: Set[str]) -> None:
    """Write a site's files into ``out``.

    A new folder is completed where it was staged and appears in one rename. In a folder that an earlier build made,
    each file is replaced in one step, the start page last, and pages that no longer exist are removed; files that we
    did not write stay.

    Args:
        files: Contents by path relative to ``out``, with ``/`` between folders.
        out: Folder to make or renew.
        staging: Folder of the staged files, which holds no others; from ``staging_folder``.
        owned: All files of that build, from ``owned_files``.
        unchanged: Those of them that stay as they are.

    Raises:
        StoreError: if ``out`` has become a folder of somebody else's, if a foreign file stands where one of ours must
            go, or if the folder cannot be written. In the first two cases nothing was changed.
    """
    try:
        if not owned and _is_empty(out):
            _publish_new(files, out, staging)
        else:
            _renew(files, out, owned or _owned_files(out), unchanged)
    except OSError as error:
        raise StoreError(f"cannot write the site to {out}: {error.strerror or error}") from error


def owned_files(out: Path) -> set[str]:
    """Return the files of an earlier build in ``out``; none in a new or an empty folder.

    Raises:
        StoreError: if it holds files and is not a site of ours.

    """
    try:
        return set() if _is_empty(out) else _owned_files(out)
    except OSError as error:
        raise StoreError(f"cannot read {out}: {error.strerror or error}") from error


def standing_files(out: Path, owned: Set[str]) -> set[str]:
    """Return an earlier build's files that still exist; files behind a symbolic link put there do not count."""
    return {name for name in _plain_files(out, "") if name in owned} if owned else set()


def _plain_files(folder: Path | os.DirEntry[str], prefix: str) -> Iterator[str]:
    """Yield the path within the site of every file; a listing of folders takes a tenth of asking for each file."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield prefix + entry.name
            elif entry.is_dir(follow_symlinks=False):
                yield from _plain_files(entry, f"{prefix}{entry.name}/")


@contextmanager
def staging_folder(out: Path) -> Iterator[Path]:
    """Create a staging folder on the site's disk, to move files from into place; remove it afterwards.

    Raises:
        StoreError: if it cannot be made, or a file in it cannot be written.

    """
    folder: Path | None = None
    try:
        parent = out.resolve().parent
        parent.mkdir(parents=True, exist_ok=True)
        remove_left_over(parent, out.name, LEFT_OVER_AFTER_S)  # of builds that were killed
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".tmp", dir=parent))
        staging = folder / "site"  # may become the site itself, so it is not closed to other users as its parent is
        staging.mkdir()
        yield staging
    except OSError as error:
        raise StoreError(f"cannot write the site to {out}: {error.strerror or error}") from error
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def staged_files(staging: Path) -> Iterator[tuple[str, Path]]:
    """Yield (path within the site, file) of every file in a staging folder."""
    yield from ((name, staging / name) for name in _plain_files(staging, ""))


def _is_empty(out: Path) -> bool:
    if out.exists() and not out.is_dir():
        raise StoreError(f"{out} is not a folder; nothing was written")
    return not out.exists() or not any(out.iterdir())


def _publish_new(files: Mapping[str, Content], out: Path, staging: Path) -> None:
    folders = {staging}
    for name, content in {**files, MARKER: _marker(files)}.items():
        if isinstance(content, bytes):
            path = staging / name
            if path.parent not in folders:
                path.parent.mkdir(parents=True, exist_ok=True)
                folders.add(path.parent)
            path.write_bytes(content)
    staging.replace(out.resolve())


def _renew(files: Mapping[str, Content], out: Path, owned: Set[str], unchanged: Set[str]) -> None:
    for name in sorted(files):
        _refuse_foreign(out, name, owned)
    # Until the end the marker lists old and new files: a killed build leaves no file unlisted.
    _replace(out / MARKER, _marker(owned | set(files)))
    pages = {name for name in files if name.endswith(".html")} - {START}
    # Several at once, since each waits for the disk (fsync): downloads, then pages, and the start page last.
    with ThreadPoolExecutor(WRITERS) as writers:
        for group in (files.keys() - pages - {START}, pages, files.keys() & {START}):
            for written in [writers.submit(_replace, out / name, files[name]) for name in sorted(group)]:
                written.result()
    for name in sorted(owned - set(files) - unchanged):
        stale = out / name
        if stale.is_file() and not _through_link(out, name):
            stale.unlink()
    _replace(out / MARKER, _marker({*files, *unchanged}))


def _owned_files(out: Path) -> set[str]:
    try:
        listed = json.loads((out / MARKER).read_text(encoding="utf-8"))["files"]
        return {n for n in listed if _is_inside(n)}
    except FileNotFoundError:
        problem = "holds files and is not a site that benchsuite made"
    except (ValueError, KeyError, TypeError, UnicodeError):
        problem = f"has a damaged {MARKER}"
    raise StoreError(f"{out} {problem}; nothing was written. Choose an empty or a new folder")


def _is_inside(name: object) -> bool:
    """Return True if a name from a marker file, which anyone may have edited, stays within the site."""
    if not isinstance(name, str) or "\\" in name or "\0" in name:
        return False
    if _PLAIN_NAME.fullmatch(name):  # nearly every file; the rest takes six times as long
        return True
    parts = [part for part in name.split("/") if part not in ("", ".")]  # a fifth of a path's time, at every file
    return not name.startswith("/") and ".." not in parts and parts not in ([], [MARKER])


def _refuse_foreign(out: Path, name: str, owned: Set[str]) -> None:
    if _through_link(out, name):
        raise StoreError(f"{out / name}: there is a symbolic link on this path; nothing was written")
    if name not in owned and (out / name).exists():
        raise StoreError(f"{out / name} is not a file that benchsuite wrote; move it away. Nothing was written")


def _through_link(out: Path, name: str) -> bool:
    path = PurePosixPath(name)
    return any((out / p).is_symlink() for p in (path, *path.parents) if p.parts)


def _replace(path: Path, content: Content) -> None:
    if isinstance(content, Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        content.replace(path)
        return
    # Leave an unchanged page alone: reading a thousand files is faster than writing one durably (fsync).
    if path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return
    write_bytes_atomically(path, content)


def _marker(files: Mapping[str, Content] | Set[str]) -> bytes:
    return to_json({"layout": 1, "files": sorted(files)}, indent=1) + b"\n"
