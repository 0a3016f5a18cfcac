"""Distributions with a data set, an architecture or a diagnostic, and spec files of tracks and claims."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.registry.manager import installed_registry
from benchsuite.registry.scaffold.names import plugin_name_problems, values_of
from benchsuite.registry.scaffold.rule_project import PACKAGE_TEMPLATES
from benchsuite.registry.scaffold.writing import write_templates
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder, user_folders
from benchsuite.version import CONTRACT_VERSION

ContributionKind = Literal["dataset", "architecture", "diagnostic", "track", "claim"]


@dataclass(frozen=True)
class _Start:
    """The files that something new begins with.

    Attributes:
        templates: by path in the project; for a spec file, in the folder of specs.
        trials: commands that use it, before they are filled.
        short: what it is, after an "a".
        idea: what it begins as, in the words of the project's README.
        asks: what its tests ask.
        is_package: True if it is a distribution to install, False for a spec file alone.
        specs: folders of specs in which its name must be free.

    """

    templates: dict[str, str | None]
    trials: tuple[str, ...]
    short: str
    idea: str = ""
    asks: str = ""
    is_package: bool = True
    specs: tuple[Literal["datasets", "architectures", "tracks", "claims"], ...] = ()


CONTRIBUTIONS: dict[ContributionKind, _Start] = {
    "dataset": _Start(
        PACKAGE_TEMPLATES
        | {
            "src/${package}/dataset.py": "dataset.py.template",
            "src/${package}/specs/datasets/${name}.yaml": "dataset.yaml.template",
            "src/${package}/specs/tracks/${name}.yaml": "dataset_track.yaml.template",
            "tests/test_${name}.py": "test_dataset.py.template",
        },
        ("benchsuite data verify ${name}", "benchsuite run ${name} --rules backprop,feedback_alignment --seeds 3"),
        "a data set",
        "noisy images with one brighter row or column, and a track on them",
        "are the examples as they must be?",
        specs=("datasets", "tracks"),
    ),
    "architecture": _Start(
        PACKAGE_TEMPLATES
        | {
            "src/${package}/architecture.py": "architecture.py.template",
            "src/${package}/specs/architectures/${name}.yaml": "architecture.yaml.template",
            "src/${package}/specs/tracks/${name}.yaml": "architecture_track.yaml.template",
            "tests/test_${name}.py": "test_architecture.py.template",
        },
        ("benchsuite plan ${name}", "benchsuite run ${name} --rules backprop,feedback_alignment --seeds 3"),
        "an architecture",
        "dense layers, each half as wide as the one before, and a track with them",
        "can it be built and trained?",
        specs=("architectures", "tracks"),
    ),
    "diagnostic": _Start(
        PACKAGE_TEMPLATES
        | {
            "src/${package}/diagnostic.py": "diagnostic.py.template",
            "tests/test_${name}.py": "test_diagnostic.py.template",
        },
        ("benchsuite run digits-fc --rules backprop,feedback_alignment --seeds 3 --set 'diagnostics.names=[${name}]'",),
        "a diagnostic",
        "the norm of the update that a rule leaves on each segment",
        "does it measure, and leave no trace?",
    ),
    "track": _Start(
        {"tracks/${name}.yaml": "track.yaml.template"},
        (
            "benchsuite validate ${folder}/tracks/${name}.yaml",
            "benchsuite run ${name} --specs ${folder} --rules backprop,feedback_alignment --seeds 3",
        ),
        "a track",
        is_package=False,
        specs=("tracks",),
    ),
    "claim": _Start(
        {"claims/${name}.yaml": "claim.yaml.template"},
        (
            "benchsuite validate ${folder}/claims/${name}.yaml",
            "benchsuite run digits-fc --rules backprop,feedback_alignment --seeds 3",
            "benchsuite claims --specs ${folder}",
        ),
        "a claim",
        is_package=False,
        specs=("claims",),
    ),
}


@dataclass(frozen=True)
class Made:
    """The files that were written, and the commands to type next.

    Attributes:
        files: in the order of writing.
        project: the folder to install; None if there is nothing to install.
        trials: commands that use it.

    """

    files: list[Path]
    project: Path | None
    trials: tuple[str, ...]


def create_contribution(kind: str, name: str, folder: Path) -> Made:
    """Write a distribution ``<folder>/<name>/``, or the spec file of a track or claim below ``folder``.

    Args:
        kind: one of ``CONTRIBUTIONS``.
        name: as specs and the command will call it.
        folder: the parent of the project; for a track or claim, the folder of specs. Made if it is not there.

    Raises:
        SpecError: if the kind is unknown, the name cannot be used or is taken, or a file is there already; nothing is
            written then.
        StoreError: if the folder cannot be written.

    """
    subject = f"new {kind} '{name}'"
    if kind not in CONTRIBUTIONS:
        choices = ", ".join(CONTRIBUTIONS)
        raise SpecError([Problem(f"'{kind}' is none of {choices}{nearest(kind, CONTRIBUTIONS)}", field="kind")])
    start = CONTRIBUTIONS[kind]
    messages = plugin_name_problems(kind, name) if start.is_package else _file_name_problems(kind, name)
    messages = messages or list(_taken(start, name))
    if messages:
        raise SpecError([Problem(message, field="name") for message in messages], subject)
    values = values_of(name) | {"folder": folder.as_posix()}
    trials = tuple(_fill(trial, values) for trial in start.trials)
    values |= {
        "contract": str(CONTRACT_VERSION),
        "module": kind,
        "short": start.short,
        "what": start.short.capitalize(),
        "idea": start.idea,
        "asks": start.asks,
        "trial": "\n".join(trials),
        "closing": "Change it where it says so, then run `pytest` again.",
    }
    project = folder / name if start.is_package else None
    return Made(write_templates(project or folder, start.templates, values, subject), project, trials)


def _fill(text: str, values: dict[str, str]) -> str:
    for name in ("name", "folder"):
        text = text.replace("${" + name + "}", values[name])
    return text


def _file_name_problems(kind: str, name: str) -> list[str]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{0,79}", name):
        return [
            f"'{name}' is not lower-case letters, digits, '-', '_' and '.', beginning with a letter or digit, "
            f"at most 80, such as my-{kind}"
        ]
    return []


def _taken(start: _Start, name: str) -> Iterable[str]:
    """Yield a message for each file of specs that has the name already."""
    registry = installed_registry()
    folders = [builtin_folder(), *user_folders(), *(folder for folder, _ in registry.spec_folders)]
    library = SpecLibrary(folders)
    for kind in start.specs:
        if name in library.names(kind):
            yield f"'{name}' is taken by {library.find(kind, name)}; two {kind} cannot share a name"
