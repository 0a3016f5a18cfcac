"""Projects of one's own, written from templates."""

from __future__ import annotations

from pathlib import Path

from benchsuite.api.options import PathLike
from benchsuite.registry.scaffold import create_rule_project


def new_rule(name: str, folder: PathLike = ".") -> list[Path]:
    """Write a small distribution with a working rule and its conformance tests.

    Args:
        name: of the rule, such as ``my_rule``.
        folder: where to put it; made if it is not there.

    Returns:
        The files written.

    Raises:
        SpecError: if the name cannot be a rule's or is taken, or a file is there already; nothing is written then.

    Example:
        >>> import benchsuite as bs
        >>> files = bs.new_rule("my_rule")
        >>> "my_rule/pyproject.toml" in [file.as_posix() for file in files]
        True

    """
    return create_rule_project(name, Path(folder))
