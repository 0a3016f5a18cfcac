"""Oracle: what ``import benchsuite`` promises: every name of the library, and nothing heavy before one is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import benchsuite

HEAVY = "{'torch', 'mlflow', 'pydantic', 'scipy', 'numpy', 'pandas', 'rich', 'sklearn', 'yaml'}"


def python(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_import_brings_nothing_heavy() -> None:
    """Catches an import at the top that makes every ``import benchsuite`` wait for torch."""
    python(f"import sys, benchsuite; dir(benchsuite); heavy = {HEAVY} & set(sys.modules); assert not heavy, heavy")


def test_reading_records_needs_no_torch() -> None:
    """Catches a table of records that can only be made where networks can be trained."""
    code = "import sys, benchsuite as bs; bs.load_records, bs.compare, bs.lint, bs.export, bs.verify, bs.schemas;"
    python(code + "heavy = {'torch', 'mlflow', 'pandas'} & set(sys.modules); assert not heavy, heavy")


def test_type_checkers_and_python_see_the_same_names() -> None:
    """Catches a name that an editor completes and Python does not have, or the other way round."""
    tree = ast.parse(Path(benchsuite.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    for_types = {
        alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    at_run_time = {name: f"benchsuite.{module}" for name, module in benchsuite._MODULE_OF.items()}
    assert for_types == at_run_time
    assert set(benchsuite.__all__) == {"__version__", *for_types}


@pytest.mark.parametrize("name", sorted(set(benchsuite.__all__) - {"__version__"}))
def test_every_public_name_is_there_and_documented(name: str) -> None:
    """Catches a name whose module has moved, and a function that says nothing of its arguments or errors."""
    found = getattr(benchsuite, name)
    text = inspect.getdoc(found)
    assert text
    if inspect.isfunction(found):
        parameters = inspect.signature(found).parameters
        assert all(p.annotation is not inspect.Parameter.empty for p in parameters.values())
        if set(parameters) - {"specs"}:
            assert "Args:" in text
        assert all(f"{p}: " in text for p in parameters if p != "specs")


def test_an_unknown_name_is_an_attribute_error() -> None:
    """Catches a ``__getattr__`` that breaks ``hasattr`` and with it tools that look around."""
    assert not hasattr(benchsuite, "no_such_name")
