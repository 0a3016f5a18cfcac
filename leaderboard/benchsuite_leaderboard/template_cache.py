"""Compiled templates, kept in the user's cache folder: compiling them takes a third of a second in every process."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import sys
from pathlib import Path

import jinja2
from jinja2 import BytecodeCache, FileSystemBytecodeCache
from jinja2.bccache import Bucket

from benchsuite_leaderboard.package_files import generator_hash

MOST_VERSIONS = 4
"""Number of generators whose templates are kept; the oldest are deleted."""


class TemplateCache(FileSystemBytecodeCache):
    """Jinja's cache, which ignores a damaged file; a folder that cannot be written is no error either."""

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write a compiled template, if that is possible."""
        with contextlib.suppress(OSError):
            super().dump_bytecode(bucket)


def template_cache() -> BytecodeCache | None:
    """Return the cache of this generator, Jinja and Python; None if there is no place for it.

    Never in a site's folder: a compiled template is code, and a site may come from anywhere.
    """
    from platformdirs import user_cache_path

    versions = [jinja2.__version__, sys.implementation.cache_tag or sys.version, generator_hash()]
    name = hashlib.sha256("\0".join(versions).encode()).hexdigest()[:24]
    folder = user_cache_path("benchsuite", appauthor=False) / "templates" / name
    try:
        if not folder.is_dir():
            _delete_oldest(folder.parent)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return TemplateCache(str(folder))


def _delete_oldest(parent: Path) -> None:
    with contextlib.suppress(OSError):
        oldest_first = sorted(parent.iterdir(), key=lambda folder: folder.stat().st_mtime_ns)
        for folder in oldest_first[: 1 - MOST_VERSIONS]:
            shutil.rmtree(folder, ignore_errors=True)
