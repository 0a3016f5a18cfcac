"""A distribution with one working rule, for its author to change; torch is not imported to write it."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Literal, cast

from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.files import write_text_atomically
from benchsuite.registry.manager import installed_registry
from benchsuite.version import CONTRACT_VERSION

Mechanism = Literal["feedback", "direct", "targets", "phases", "energy"]


@dataclass(frozen=True)
class _Start:
    """The rule that a new project begins with.

    Attributes:
        idea: what it does, in the words of the project's README.
        track: a small track that it works on, and its tier.

    """

    idea: str
    track: str = "quickstart"


STARTS: dict[Mechanism, _Start] = {
    "feedback": _Start("feedback alignment: backprop through fixed random weights"),
    "direct": _Start("direct feedback alignment: the output error reaches every segment through a random matrix"),
    "targets": _Start("target propagation through exact inverses", track="core-mnist-dense-invertible --tier smoke"),
    "phases": _Start("two passes: a free one, and one in which the error nudges hidden segments"),
    "energy": _Start("predictive coding: states relax on an energy, then weights descend it"),
}
"""By the mechanism asked for."""

_TEMPLATES = {
    "pyproject.toml": "pyproject.toml.template",
    "README.md": "README.md.template",
    "src/${package}/__init__.py": "package.py.template",
    "src/${package}/py.typed": None,
    "src/${package}/rule.py": "rule_${mechanism}.py.template",
    "tests/test_${name}.py": "test_rule.py.template",
}
"""By path in the new project; None for an empty file."""


def create_rule_project(name: str, folder: Path, mechanism: str = "feedback") -> list[Path]:
    """Write the distribution ``<folder>/<name>/`` with a rule that works and tests that pass.

    Args:
        name: of the rule, as specs and the command will call it.
        folder: made if it is not there.
        mechanism: the way by which the rule's credit travels, one of ``STARTS``.

    Returns:
        The files written.

    Raises:
        SpecError: if the name cannot be a rule's or is taken, the mechanism is unknown, or a file is there already;
            nothing is written then.
        StoreError: if the folder cannot be written.

    """
    subject = f"new rule '{name}'"
    problems = [Problem(message, field="name") for message in _name_problems(name)]
    if mechanism not in STARTS:
        hint = nearest(mechanism, STARTS)
        problems.append(Problem(f"'{mechanism}' is none of {', '.join(STARTS)}{hint}", field="mechanism"))
    if problems:
        raise SpecError(problems, subject)
    start = STARTS[cast("Mechanism", mechanism)]
    values = {
        "name": name,
        "package": f"benchsuite_{name}",
        "distribution": f"benchsuite-{name.replace('_', '-')}",
        "class_name": "".join(part.capitalize() for part in name.split("_")),
        "title": name.replace("_", " ").strip().capitalize(),
        "contract": str(CONTRACT_VERSION),
        "mechanism": mechanism,
        "idea": start.idea,
        "track": start.track,
        "install": install_command(),
    }
    contents = {
        folder / name / _filled(path, values): _content(template and _filled(template, values), values)
        for path, template in _TEMPLATES.items()
    }
    there = [path for path in contents if path.exists()]
    if there:
        message = "exists already; move it away, or give another name or --folder"
        raise SpecError([Problem(message, file=str(path)) for path in there], subject)
    for path, content in contents.items():
        write_text_atomically(path, content)
    return list(contents)


def install_command() -> str:
    """Return the command that installs a folder into this environment, by what it has."""
    return "pip install -e" if find_spec("pip") is not None else "uv pip install -e"


def _name_problems(name: str) -> list[str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name):
        return [
            f"'{name}' is not lower-case letters, digits and _, beginning with a letter, at most 64, such as my_rule"
        ]
    if keyword.iskeyword(name):
        return [f"'{name}' is a word of the Python language; call it {name}_rule"]
    registry = installed_registry()
    claimed = [*registry.conflicts.get(("rule", name), ()), registry.origins.get(("rule", name))]
    origins = [*registry.plugins.values(), *(failure.origin for failure in registry.failures)]
    for origin in [*filter(None, claimed), *(each for each in origins if each.plugin == name)]:
        return [f"'{name}' is taken by {origin.distribution} ({origin.value}); two rules cannot share a name"]
    if find_spec(f"benchsuite_{name}") is not None:
        return [f"the package benchsuite_{name} is installed already; give the rule another name"]
    return []


def _filled(text: str, values: dict[str, str]) -> str:
    return Template(text).substitute(values)


def _content(template: str | None, values: dict[str, str]) -> str:
    if template is None:
        return ""
    text = files("benchsuite.registry.scaffold").joinpath("templates", template).read_text(encoding="utf-8")
    return _filled(text, values)
