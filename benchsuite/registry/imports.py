"""Find the files behind module names, and the modules that files import, without running any of them."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path


@dataclass(frozen=True)
class Unit:
    """Code that counts as one: a regular package with all its modules, or a single module outside of packages.

    Attributes:
        name: dotted name of the package or module.
        path: folder of the package, or file of the module.
        root: folder on the import path that the dotted name starts from.

    """

    name: str
    path: Path
    root: Path

    def files(self) -> list[Path]:
        """Return the unit's files: data files too, but neither bytecode nor hidden files and folders."""
        if self.path.is_file():
            return [self.path]
        return [p for p in self.path.rglob("*") if p.is_file() and not _is_ignored(p.relative_to(self.path))]

    @property
    def entry(self) -> Path:
        """Return the file that is run when the unit is imported."""
        return self.path if self.path.is_file() else self.path / "__init__.py"


def _is_ignored(path: Path) -> bool:
    return path.suffix == ".pyc" or any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def unit_of(module: str, depth: int = 1) -> Unit | None:
    """Return the unit that a module belongs to; None if it has no file, as Python's built-in modules.

    Args:
        module: dotted name; may also name a function or a class in a module.
        depth: number of leading parts that the unit's name has at least; 2 to tell the modules of a package apart.

    """
    parts = module.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        file = _file_of(name)
        if file is None:
            if not _is_namespace(name):
                return None
        elif count >= depth or file.name != "__init__.py":
            path = file.parent if file.name == "__init__.py" else file
            return Unit(name, path, path.parents[count - 1])
    return None


def _file_of(name: str) -> Path | None:
    loaded = sys.modules.get(name)
    try:
        found = importlib.util.find_spec(name) if loaded is None else None
    except (ImportError, ValueError):
        return None
    file = getattr(loaded, "__file__", None) or (found.origin if found else None)
    return Path(file) if file and Path(file).is_file() else None


def _is_namespace(name: str) -> bool:
    """Return True for a folder of modules without ``__init__.py``, in which others may install modules too."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return hasattr(loaded, "__path__")
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and found.submodule_search_locations is not None


def imported_names(source: bytes, module: str, is_package: bool) -> Iterator[str]:
    """Yield the names that a module imports, at any depth of its code; nothing if it is no Python of this version.

    Args:
        source: text of the module.
        module: its dotted name, from which relative imports start.
        is_package: True for the ``__init__.py`` of a package.

    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    parents = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # An imported name may be a module itself: `from package import module`.
            yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


@cache
def owner_of(file: Path, root: Path) -> Distribution | None:
    """Return the distribution that installed a file below ``root``; None if it is local: editable, or on the path."""
    if not any(root.glob("*.dist-info")):
        return None
    relative = file.relative_to(root).as_posix()
    for found in _likely_owners(relative.partition("/")[0].removesuffix(".py"), root):
        if f"\n{relative}," in "\n" + (found.read_text("RECORD") or ""):
            return found
    return None


def _likely_owners(name: str, root: Path) -> Iterator[Distribution]:
    """Yield the distribution of that name first: reading the lists of all files of all distributions takes longer."""
    with suppress(PackageNotFoundError, ValueError):
        yield distribution(name)
    yield from _distributions_in(root)


@cache
def _distributions_in(root: Path) -> tuple[Distribution, ...]:
    return tuple(distributions(path=[str(root)]))


def installed_files(found: Distribution) -> list[Path]:
    """Return the files that a distribution installed for import; its metadata and commands are left out."""
    files = [Path(str(file)) for file in found.files or ()]
    ours = [f for f in files if ".." not in f.parts and not f.parts[0].endswith(".dist-info") and not _is_ignored(f)]
    return [Path(str(found.locate_file(file))) for file in ours]


def normalized(name: str) -> str:
    """Return a distribution's name in the form in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def requirements_of(name: str) -> frozenset[str]:
    """Return the normalized names of the distributions that an installed distribution requires."""
    try:
        requires = distribution(name).requires or []
    except PackageNotFoundError:
        return frozenset()
    names = (re.match(r"[\w.-]+", requirement) for requirement in requires)
    return frozenset(normalized(found.group()) for found in names if found)
