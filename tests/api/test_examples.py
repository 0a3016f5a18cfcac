"""Oracle: the examples in the library's docstrings, run as they stand."""

from __future__ import annotations

import doctest
import pkgutil
from functools import partial
from importlib import import_module

import pytest

import benchsuite.api
from benchsuite.api import audits
from benchsuite.conformance.audit.rule_audit import audit_rule
from benchsuite.conformance.samples import SAMPLE_NETWORKS

MODULES = sorted(module.name for module in pkgutil.iter_modules(benchsuite.api.__path__, "benchsuite.api."))


def examples() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True)
    return [test for name in MODULES for test in finder.find(import_module(name)) if test.examples]


@pytest.fixture
def _brief_audits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit on three networks: an example shows how to ask, not what a rule needs."""
    monkeypatch.setattr(audits, "audit_rule", partial(audit_rule, networks=SAMPLE_NETWORKS[:3]))


@pytest.mark.usefixtures("_brief_audits")
@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name.removeprefix("benchsuite.api."))
def test_the_example_gives_what_it_shows(example: doctest.DocTest) -> None:
    """Catches an example that a reader copies and that does not work any more."""
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(example, out=told.append)
    assert not runner.failures, "".join(told)
