"""Files inside the packages: static files that all pages share, and a hash of the code that makes pages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from benchsuite.version import __version__
from benchsuite_leaderboard.texts import citation

GENERATOR_PACKAGES = ("benchsuite_leaderboard", "benchsuite.results", "benchsuite.papers")


def static_files() -> dict[str, bytes]:
    """Return the files that all pages share, by path within the site."""
    return dict(_walk(resources.files("benchsuite_leaderboard") / "static", "static"))


@cache
def generator_hash() -> str:
    """Return a hash of the code and the citation that pages are made of: other ones make all pages again."""
    digest = hashlib.sha256(repr([__version__, citation()]).encode())
    for package in GENERATOR_PACKAGES:
        for name, content in _walk(resources.files(package), package):
            if not name.endswith(".pyc"):
                digest.update(name.encode() + b"\0" + content)
    return digest.hexdigest()


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    """Yield every file below a folder of a package as (path, content)."""
    for member in sorted(folder.iterdir(), key=lambda m: m.name):
        name = f"{prefix}/{member.name}"
        if member.is_dir():
            yield from _walk(member, name)
        else:
            yield name, member.read_bytes()
