"""Create projects from templates."""

from __future__ import annotations

from pathlib import Path

from benchsuite.api.options import PathLike
from benchsuite.registry.scaffold import STARTS, create_rule_project
from benchsuite.registry.scaffold import install_command as install_command


def new_rule(name: str, folder: PathLike = ".", mechanism: str = "feedback") -> list[Path]:
    """Write a small distribution with a working rule and its conformance tests.

    Args:
        name: name of the rule, such as ``my_rule``.
        folder: parent folder of the project; created if missing.
        mechanism: the way by which credit travels: feedback (backprop through other weights), direct (credit handed
            to each segment), targets (through inverses), phases (several passes) or energy (states that relax).

    Returns:
        The files written.

    Raises:
        SpecError: if the name is invalid or taken, the mechanism unknown, or a file exists already; nothing is
            written then.

    Example:
        >>> import benchsuite as bs
        >>> files = bs.new_rule("my_rule")
        >>> "my_rule/pyproject.toml" in [file.as_posix() for file in files]
        True

    """
    return create_rule_project(name, Path(folder), mechanism)


def trial_track(mechanism: str) -> str:
    """Return a small track, with its tier, on which the rule of a new project works."""
    return next(start.track for name, start in STARTS.items() if name == mechanism)
