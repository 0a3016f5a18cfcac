"""Plugins and spec files of one request: found once per request and passed on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchsuite.api.options import PathLike, Paths, as_paths
from benchsuite.errors import Problem, SpecError
from benchsuite.process import stdout_to_stderr
from benchsuite.registry import manager
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder, user_folders
from benchsuite.specs.loading.resolve import load_library_for


@dataclass(frozen=True)
class Workspace:
    """Plugins and specs available to a request.

    Attributes:
        registry: rules and other contributions of all installed plugins.
        library: built-in specs, those of plugins and the user's own.

    """

    registry: Registry
    library: SpecLibrary


def open_workspace(specs: Paths = None, target: PathLike = "") -> Workspace:
    """Load plugins and find spec files.

    Args:
        specs: folders of the user's own specs, beside those of ``$BENCHSUITE_SPECS``.
        target: suite, track or experiment to run; if it is a file in a folder of specs, that folder is searched too.

    Raises:
        SpecError: if one of the folders does not exist.

    """
    with stdout_to_stderr():
        registry = manager.installed_registry()
    return Workspace(registry, find_specs(specs, target, [folder for folder, _ in registry.spec_folders]))


def find_specs(specs: Paths = None, target: PathLike = "", plugin_folders: list[Path] | None = None) -> SpecLibrary:
    """Return the library of built-in specs, the user's own and those of plugins; loads no plugin.

    Raises:
        SpecError: if one of the user's folders does not exist.

    """
    own = as_paths(specs)
    missing = [Problem("no such folder", str(folder)) for folder in own if not folder.is_dir()]
    if missing:
        raise SpecError(missing)
    return load_library_for(os.fspath(target), [builtin_folder(), *user_folders(), *own, *(plugin_folders or [])])
