"""Validate spec files and report problems with line and column."""

from __future__ import annotations

from benchsuite.api.options import Paths, as_paths
from benchsuite.api.workspace import find_specs
from benchsuite.errors import Problem
from benchsuite.registry import manager
from benchsuite.specs.loading.check_file import check_file


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
