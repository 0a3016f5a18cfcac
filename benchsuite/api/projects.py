"""Create projects from templates."""

from __future__ import annotations

from pathlib import Path

from benchsuite.api.options import PathLike
from benchsuite.registry.scaffold import Made as Made
from benchsuite.registry.scaffold import create_contribution, create_rule_project, trial_of_rule
from benchsuite.registry.scaffold import in_this_environment as in_this_environment
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


def new(kind: str, name: str, folder: PathLike = ".") -> list[Path]:
    """Write a distribution with a working data set, architecture or diagnostic; or the file of a track or claim.

    Args:
        kind: ``"dataset"``, ``"architecture"``, ``"diagnostic"``, ``"track"`` or ``"claim"``; rules have ``new_rule``.
        name: name of what is made, such as ``my_data``, or ``my-track`` for a track or claim.
        folder: parent folder of the project; for a track or claim, the folder of specs. Created if missing.

    Returns:
        The files written.

    Raises:
        SpecError: if the kind is unknown, the name is invalid or taken, or a file exists already; nothing is written
            then.

    Example:
        >>> import benchsuite as bs
        >>> [file.as_posix() for file in bs.new("track", "my-track", "my-specs")]
        ['my-specs/tracks/my-track.yaml']

    """
    return make_contribution(kind, name, folder).files


def make_contribution(kind: str, name: str, folder: PathLike) -> Made:
    """Do what ``new`` does; return the files with the project to install and commands that use it."""
    return create_contribution(kind, name, Path(folder))


def make_rule(name: str, folder: PathLike, mechanism: str) -> Made:
    """Do what ``new_rule`` does; return the files with the project to install and a command that uses it."""
    files = new_rule(name, folder, mechanism)
    return Made(files, Path(folder) / name, (trial_of_rule(name, mechanism),))
