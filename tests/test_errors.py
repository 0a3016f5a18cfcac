"""Oracle: ``benchsuite.errors`` is the one tree of exceptions that one module raises and another catches."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from pathlib import Path

import pytest
import typer

from benchsuite import errors
from benchsuite.cli.exits import EXIT_BUG, exits
from benchsuite.errors import BenchsuiteError, ControlFlowError

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = ("benchsuite", "plugins", "leaderboard")
TREE = {name: value for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}


def exceptions_elsewhere() -> dict[str, Path]:
    """Return the exception classes that are defined outside the tree's module, by name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.ClassDef) or path == REPOSITORY / "benchsuite" / "errors.py":
                    continue
                bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
                if any(base in TREE or is_builtin_exception(base) for base in bases):
                    found[node.name] = path
    return found


def is_builtin_exception(name: str) -> bool:
    value = getattr(builtins, name, None)
    return inspect.isclass(value) and issubclass(value, BaseException)


def test_every_exception_that_crosses_modules_is_in_the_tree() -> None:
    """Catches a failure that the command shows as a bug of ours, since nothing told it what it is."""
    for name, path in exceptions_elsewhere().items():
        assert name.startswith("_"), f"{path.relative_to(REPOSITORY)} defines {name}; it belongs in benchsuite.errors"
        users = [
            other
            for package in PACKAGES
            for other in (REPOSITORY / package).rglob("*.py")
            if other != path and re.search(rf"\b{name}\b", other.read_text(encoding="utf-8"))
        ]
        assert not users, f"{name} is used outside its module; it belongs in benchsuite.errors"


def test_the_tree_has_one_root_and_its_docstring_shows_all_of_it() -> None:
    for name, error in TREE.items():
        assert issubclass(error, BenchsuiteError), name
        assert re.search(rf"\b{name}\b", errors.__doc__ or ""), f"{name} is not in the docstring's tree"


@pytest.mark.parametrize("signal", [e for e in TREE.values() if issubclass(e, ControlFlowError)])
def test_control_flow_that_escapes_is_a_bug_and_not_a_message(
    signal: type[ControlFlowError], capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a stop that nobody caught, shown as if the person had asked for something wrong."""
    escaped = signal.__new__(signal)

    def verb() -> int:
        raise escaped

    with pytest.raises(typer.Exit) as left:
        exits(verb)()
    assert left.value.exit_code == EXIT_BUG
    assert "this is a bug of benchsuite" in capsys.readouterr().err
