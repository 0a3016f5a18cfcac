"""Create projects from templates."""

from __future__ import annotations

from pathlib import Path

from benchsuite.api.options import PathLike
from benchsuite.registry.scaffold import create_rule_project


def new_rule(name: str, folder: PathLike = ".") -> list[Path]:
    """Write a small distribution with a working rule and its conformance tests.

    Args:
        name: name of the rule, such as ``my_rule``.
        folder: parent folder of the project; created if missing.

    Returns:
        The files written.

    Raises:
        SpecError: if the name is invalid or taken, or a file exists already; nothing is written then.

    Example:
        >>> import benchsuite as bs
        >>> files = bs.new_rule("my_rule")
        >>> "my_rule/pyproject.toml" in [file.as_posix() for file in files]
        True

    """
    return create_rule_project(name, Path(folder))
