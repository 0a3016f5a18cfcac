"""Validate spec files and report problems with line and column."""

from __future__ import annotations

from benchsuite.api.options import Paths, as_paths
from benchsuite.api.workspace import find_specs
from benchsuite.errors import Problem
from benchsuite.registry import manager
from benchsuite.specs.loading.check_file import check_file
from benchsuite.specs.loading.inherited_tiers import inherited_tier_warnings
from benchsuite.specs.loading.kinds import guess_kind
from benchsuite.specs.loading.tree import read


def validate(files: Paths, *, specs: Paths = None) -> dict[str, list[Problem]]:
    """Check spec files: fields, values, references, tiers and rule settings.

    Args:
        files: one or several YAML files, in a folder of specs (``tracks/``, ``datasets/``, …) or anywhere.
        specs: folders of your own specs that the files refer to.

    Returns:
        The problems of each file, in file order; an empty list for a correct file.

    Raises:
        SpecError: if a folder of specs does not exist.

    Example:
        >>> import benchsuite as bs
        >>> from pathlib import Path
        >>> file = Path("mine.yaml")
        >>> _ = file.write_text("{extends: digits-fc, protocol: {epoch: 3}}")
        >>> for problem in bs.validate(file)["mine.yaml"]:
        ...     print(problem)
        mine.yaml:1:33 protocol.epoch: unknown; did you mean 'epochs'?

    """
    registry = manager.installed_registry()
    # One library per file: a file in a folder of specs may refer to its neighbours.
    return {str(file): check_file(file, find_specs(specs, file, registry), registry) for file in as_paths(files)}


def warnings(files: Paths, *, specs: Paths = None) -> dict[str, list[Problem]]:
    """Return what is allowed in valid spec files and may surprise: fields of a track that an inherited tier overrides.

    Args:
        files: one or several YAML files that ``validate`` finds no problem in.
        specs: folders of your own specs that the files refer to.

    Raises:
        SpecError: if a file is not valid, or a folder of specs does not exist.

    """
    registry = manager.installed_registry()
    found = {}
    for file in as_paths(files):
        library = find_specs(specs, file, registry)
        is_track = guess_kind(file, read(file), library.studies) == "tracks"
        found[str(file)] = inherited_tier_warnings(file, library) if is_track else []
    return found
