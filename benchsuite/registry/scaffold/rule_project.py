"""A distribution with one working rule, for its author to change; torch is not imported to write it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from benchsuite.errors import Problem, SpecError, nearest
from benchsuite.registry.scaffold.names import plugin_name_problems, values_of
from benchsuite.registry.scaffold.writing import write_templates
from benchsuite.version import CONTRACT_VERSION

Mechanism = Literal["feedback", "direct", "targets", "phases", "energy"]


@dataclass(frozen=True)
class _Start:
    """The rule that a new project begins with.

    Attributes:
        idea: what it does, in the words of the project's README.
        track: a small track that it works on, with data that are on every machine.

    """

    idea: str
    track: str = "quickstart"


STARTS: dict[Mechanism, _Start] = {
    "feedback": _Start("feedback alignment: backprop through fixed random weights"),
    "direct": _Start("direct feedback alignment: the output error reaches every segment through a random matrix"),
    "targets": _Start("target propagation through exact inverses", track="digits-fc-invertible"),
    "phases": _Start("two passes: a free one, and one in which the error nudges hidden segments"),
    "energy": _Start("predictive coding: states relax on an energy, then weights descend it"),
}
"""By the mechanism asked for."""

PACKAGE_TEMPLATES: dict[str, str | None] = {
    "pyproject.toml": "pyproject.toml.template",
    "README.md": "README.md.template",
    "src/${package}/__init__.py": "package.py.template",
    "src/${package}/py.typed": None,
}
"""By path in the new project, for every kind of contribution; None for an empty file."""

CLOSING = """\
Change the rule, run `pytest {name}`; a failure says what the contract asks, was seen, and what to do. Then

```sh
benchsuite audit {name} --out benchsuite-store/audits   # does it do what `traits` declares?
benchsuite tune {track} --rules backprop,{name} --tier smoke
benchsuite run {track} --rules backprop,{name} --tier smoke --settings tuned
benchsuite leaderboard build --out site
```

`tune` searches the learning rate, and what `benchsuite.plugin.tunable` marks in the rule's `Config`."""

_TEMPLATES = PACKAGE_TEMPLATES | {
    "src/${package}/rule.py": "rule_${mechanism}.py.template",
    "tests/test_${name}.py": "test_rule.py.template",
}


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
    problems = [Problem(message, field="name") for message in plugin_name_problems("rule", name)]
    if mechanism not in STARTS:
        hint = nearest(mechanism, STARTS)
        problems.append(Problem(f"'{mechanism}' is none of {', '.join(STARTS)}{hint}", field="mechanism"))
    if problems:
        raise SpecError(problems, subject)
    start = STARTS[cast("Mechanism", mechanism)]
    values = values_of(name) | {
        "contract": str(CONTRACT_VERSION),
        "module": "rule",
        "mechanism": mechanism,
        "short": "a rule",
        "what": "A credit-assignment rule",
        "idea": start.idea,
        "asks": "does it keep the contract?",
        "trial": trial_of_rule(name, mechanism),
        "closing": CLOSING.format(name=name, track=start.track),
    }
    return write_templates(folder / name, _TEMPLATES, values, subject)


def trial_of_rule(name: str, mechanism: str) -> str:
    """Return a command that tries a new rule on a small track on which it works."""
    return f"benchsuite run {STARTS[cast('Mechanism', mechanism)].track} --rules backprop,{name}"
