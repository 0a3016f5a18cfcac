"""The code that a run's or study's numbers depend on besides the spec: the hash of all files a contribution needs.

The parts that count, and why, are in ``docs/decisions/0029-code-in-result-keys.md``.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path

from benchsuite.errors import PluginError
from benchsuite.registry.imports import (
    Unit,
    imported_names,
    installed_files,
    normalized,
    owner_of,
    requirements_of,
    unit_of,
)

SUITE = frozenset({"benchsuite", "benchsuite_leaderboard"})
"""Packages of the suite; keys hold its version instead."""
BUILTIN_RULES = "benchsuite_rules"
"""Package of the built-in rules. Each module counts on its own, so that a change of one rule changes no other's key."""
PINNED = SUITE | {"torch"} | sys.stdlib_module_names


def source_hash(contribution: object, *modules: str) -> str:
    """Return the sha256 of all code that a contribution depends on and that no version in the key pins.

    The code is that of the modules which define it, of the whole distribution they came with (for a module that is not
    installed: of its package), and of everything local that these import. Of other installed distributions, name and
    version count. Python, torch, benchsuite and benchsuite's own requirements are left out: records state their
    versions. The hash is worked out once per process, since the code that is loaded does not change either.

    Args:
        contribution: a rule, a study, a diagnostic, a builder of networks or a reader of data sets.
        modules: further modules that define it, such as the one that the entry point names.

    Raises:
        PluginError: if a file cannot be read.

    """
    return _hash_of(frozenset({*_defining_modules(contribution), *modules}))


def _defining_modules(contribution: object) -> Iterator[str]:
    while isinstance(contribution, partial):
        contribution = contribution.func
    if inspect.isroutine(contribution):
        yield contribution.__module__ or ""
    else:
        kind = contribution if isinstance(contribution, type) else type(contribution)
        yield from (each.__module__ for each in inspect.getmro(kind))


@cache
def _hash_of(modules: frozenset[str]) -> str:
    code = _Code(modules)
    digest = hashlib.sha256()
    for label, path in sorted(code.files.items()):
        digest.update(label.encode() + b"\0" + _read(path) + b"\0")
    for line in sorted(code.versions):
        digest.update(line.encode() + b"\0")
    return digest.hexdigest()


def is_of_the_suite(contribution: type) -> bool:
    """Return True if a class is benchsuite's own, whose version is recorded instead of a hash of its source."""
    return contribution.__module__.partition(".")[0] in SUITE


class _Code:
    """All files and versions that some modules depend on.

    Attributes:
        files: by dotted name for Python modules, by relative path for other files.
        versions: ``name==version`` of installed distributions that are imported.

    """

    def __init__(self, modules: Iterable[str]) -> None:
        self.files: dict[str, Path] = {}
        self.versions: set[str] = set()
        self._seen: set[str] = set()
        self._waiting = deque((name, True) for name in sorted(modules))
        while self._waiting:
            self._add(*self._waiting.popleft())

    def _add(self, module: str, defines: bool) -> None:
        """Add the code of one module; ``defines`` if it is the contribution's own, not an import of it."""
        package = module.partition(".")[0]
        if package in PINNED or module == BUILTIN_RULES:
            return
        unit = unit_of(module, depth=2 if package == BUILTIN_RULES else 1)
        if unit is None:
            if defines:
                self.versions.add(f"{module} has no file")
            return
        if unit.name in self._seen:
            return
        self._seen.add(unit.name)
        found = None if package == BUILTIN_RULES else owner_of(unit.entry, unit.root)
        if found is None:
            self._add_files(unit.files(), unit)
        elif defines or found.read_text("direct_url.json"):
            # Installed from a folder or a repository: other code may have the same version.
            self._add_files(installed_files(found), unit)
        elif normalized(found.name) not in requirements_of("benchsuite"):
            self.versions.add(f"{normalized(found.name)}=={found.version}")

    def _add_files(self, files: Iterable[Path], unit: Unit) -> None:
        for path in files:
            relative = path.relative_to(unit.root)
            if path.suffix != ".py":
                self.files[relative.as_posix()] = path
                continue
            name = ".".join(relative.with_suffix("").parts)
            self.files[name] = path
            is_package = path.name == "__init__.py"
            inside = name.removesuffix(".__init__") if is_package else name
            imports = imported_names(_read(path), inside, is_package)
            if unit.name.startswith(BUILTIN_RULES + "."):  # what else these import is required by the suite
                imports = (each for each in imports if each.startswith(BUILTIN_RULES + "."))
            self._waiting += ((each, False) for each in imports)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PluginError(f"cannot read {path}, whose content belongs to a result key: {error.strerror}") from error
