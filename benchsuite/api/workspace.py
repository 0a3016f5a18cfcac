"""Plugins and spec files of one request: found once per request and passed on."""

from __future__ import annotations

import os
from dataclasses import dataclass

from benchsuite.api.options import PathLike, Paths, as_paths
from benchsuite.errors import Problem, SpecError
from benchsuite.process import stdout_to_stderr
from benchsuite.registry import catalogue, manager
from benchsuite.registry.catalogue import Catalogue
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
        target: suite, track or study to run; if it is a file in a folder of specs, that folder is searched too.

    Raises:
        SpecError: if one of the folders does not exist.

    """
    with stdout_to_stderr():
        registry = manager.installed_registry()
    return Workspace(registry, find_specs(specs, target, registry))


def open_on_paper(specs: Paths = None) -> tuple[Catalogue, SpecLibrary]:
    """Return the catalogue of plugins and the library of spec files; plugins are loaded only if their code is new.

    Args:
        specs: folders of the user's own specs, beside those of ``$BENCHSUITE_SPECS``.

    Raises:
        SpecError: if one of the folders does not exist.

    """
    found = catalogue.open_catalogue()
    return found, find_specs(specs, "", found)


def find_specs(specs: Paths = None, target: PathLike = "", registry: Registry | Catalogue | None = None) -> SpecLibrary:
    """Return the library of built-in specs, the user's own and, with a registry, those of plugins; loads no plugin.

    Raises:
        SpecError: if one of the user's folders does not exist.

    """
    own = as_paths(specs)
    missing = [Problem("no such folder", str(folder)) for folder in own if not folder.is_dir()]
    if missing:
        raise SpecError(missing)
    of_plugins = [folder for folder, _ in registry.spec_folders] if registry else []
    folders = [builtin_folder(), *user_folders(), *own, *of_plugins]
    return load_library_for(os.fspath(target), folders, registry.study_specs if registry else {})
