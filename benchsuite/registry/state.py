"""A hash of everything installed that can change what plugins contribute, for caches that outlive a process.

Imports no plugin, and so no torch.
"""

from __future__ import annotations

import hashlib
import sys
import sysconfig
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from benchsuite.version import __version__


def installed_state() -> str:
    """Return a hash that changes whenever what is installed could give other rules or other defaults of theirs.

    It covers the versions of Python and of the suite, the entry points, the source files of every plugin's package,
    and the folders that distributions are installed into: a plugin that was left out may work once what it lacked is
    there.
    """
    points = sorted(entry_points(group="benchsuite"), key=lambda point: (point.name, point.value))
    state: list[object] = [__version__, sys.version, sys.prefix]
    state += [(point.name, point.value, point.dist and point.dist.version) for point in points]
    state += [_times(path) for path in sorted({Path(sysconfig.get_path(which)) for which in ("purelib", "platlib")})]
    for package in sorted({point.value.split(":")[0].split(".")[0] for point in points}):
        state += [_times(path) for path in _sources(package)]
    return hashlib.sha256(repr(state).encode()).hexdigest()


def _sources(package: str) -> list[Path]:
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return []
    found = [path for folder in spec.submodule_search_locations or () for path in sorted(Path(folder).rglob("*.py"))]
    return found or ([Path(spec.origin)] if spec.origin else [])


def _times(path: Path) -> tuple[str, int, int] | str:
    try:
        found = path.stat()
    except OSError:
        return str(path)
    return str(path), found.st_mtime_ns, found.st_size
