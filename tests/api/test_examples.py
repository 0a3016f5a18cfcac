"""Oracle: the examples in the library's docstrings, run as they stand."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module

import pytest

import benchsuite.api

MODULES = sorted(module.name for module in pkgutil.iter_modules(benchsuite.api.__path__, "benchsuite.api."))


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for name in MODULES for test in finder.find(import_module(name)) if test.examples]


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name.removeprefix("benchsuite.api."))
def test_the_example_gives_what_it_shows(example: doctest.DocTest) -> None:
    """Catches an example that a reader copies and that does not work any more."""
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(example, out=told.append)
    assert not runner.failures, "".join(told)
