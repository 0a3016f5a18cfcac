"""Examples of the docs work as printed. The oracles are the library and the command themselves."""

from __future__ import annotations

import os
import re
import statistics
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import benchsuite
from benchsuite.api import audits
from benchsuite.cli.main import run_command
from benchsuite.conformance.audit.rule_audit import audit_rule
from benchsuite.conformance.samples import SAMPLE_NETWORKS
from benchsuite.execution.workers.starting import forget_fresh_server
from benchsuite.registry.manager import installed_registry

from ..installing import install_in_place
from ..warm import WarmPython
from .blocks import FENCED_LANGUAGES, Block, blocks_of, paragraphs_of

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "decisions" not in p.parts)
SMALL = {"protocol.epochs": 1, "dataset.train_limit": 320}
"""Overrides of every example's run; with them, all pages together take a minute."""


def _name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


RUNNABLE = [page for page in PAGES if any(block.language != "text" for block in blocks_of(page))]


@pytest.fixture
def small_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Work in a folder of the test and forget what a page installs.

    Runs are of the smoke tier and have no mirror; audits have three networks.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHSUITE_TRACKING_URI", "none")
    whole: Callable[..., Any] = benchsuite.run

    def small(*given: Any, **options: Any) -> Any:
        options["set"] = {**dict(options.get("set") or {}), **SMALL}
        return whole(*given, **{**options, "tier": "smoke"})

    # Not by monkeypatch: the functions of the package are looked up by name when they are first asked for.
    monkeypatch.setitem(vars(benchsuite), "run", small)
    monkeypatch.setattr(audits, "audit_rule", partial(audit_rule, networks=SAMPLE_NETWORKS[:3]))
    yield
    installed_registry.cache_clear()
    forget_fresh_server()
    for name in [name for name in sys.modules if name.startswith(("docs_example", "benchsuite_my_"))]:
        del sys.modules[name]


@pytest.mark.usefixtures("small_runs")
@pytest.mark.parametrize("page", RUNNABLE, ids=_name)
def test_examples_of_a_page_run_in_order(page: Path, monkeypatch: pytest.MonkeyPatch, warm_python: WarmPython) -> None:
    """Catches an example that a renamed function, option or field has left behind."""
    names: dict[str, Any] = {"__name__": "docs_example"}
    for block in blocks_of(page):
        place = f"{_name(page)}:{block.line}"
        assert block.language in FENCED_LANGUAGES, f"{place}: '{block.language}' is never run; say sh, python, text …"
        if block.title:
            path = Path(block.title)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "yaml":
            yaml.safe_load(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "python" and not block.not_run:
            exec(compile(block.text, place, "exec"), names)  # noqa: S102 (our own pages)
        elif block.language == "sh" and not block.not_run:
            _run_shell(block, place, monkeypatch, warm_python)


def _run_shell(block: Block, place: str, monkeypatch: pytest.MonkeyPatch, python: WarmPython) -> None:
    for command in block.commands:
        match command:
            case ["benchsuite", *arguments]:
                code = run_command(_small(arguments))
                assert code == block.exit_code, f"{place}: {' '.join(command)}: exit code {code}"
            case ["pip", "install", "-e", folder] | ["pip", "install", "-e", folder, "pytest"]:
                _install(Path(folder), monkeypatch)
            case ["pytest", *arguments]:
                _run_pytest(arguments, place, python)
            case _:
                pytest.fail(f"{place}: `{' '.join(command)}` is not run; say why with <!-- not run: … -->")


def _small(arguments: list[str]) -> list[str]:
    if arguments[0] not in {"run", "tune"} or "studies" in Path(arguments[1]).parts:  # a study has no tiers
        return arguments
    settings = [word for field, value in SMALL.items() for word in ("--set", f"{field}={value}")]
    return [*arguments, "--tier", "smoke", *settings]


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = install_in_place(folder)
    monkeypatch.syspath_prepend(str(source))
    monkeypatch.setenv(
        "PYTHONPATH", os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    )
    installed_registry.cache_clear()
    forget_fresh_server()  # one that an earlier test has started does not know the new rule


ONE_CASE_PER_CHECK = """
def pytest_collection_modifyitems(items):
    items[:] = {(item.cls, item.originalname): item for item in reversed(items)}.values()
"""
"""The kit on all of its networks is the matter of other tests; here the rule and the command are looked at."""


def _run_pytest(arguments: list[str], place: str, python: WarmPython) -> None:
    Path("conftest.py").write_text(ONE_CASE_PER_CHECK, encoding="utf-8")
    done = python.run(
        *("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *arguments),
        environment={k: v for k, v in os.environ.items() if k not in {"PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST"}},
        timeout_s=600,
    )
    assert done.returncode == 0, f"{place}: pytest {' '.join(arguments)}\n{done.stdout[-3000:]}{done.stderr[-1000:]}"
    assert re.search(r"\d+ passed", done.stdout), place


def test_paragraphs_are_short() -> None:
    """Catches pages that grow back into walls of text; `pytest -s` prints the numbers."""
    words = {_name(page): paragraphs_of(page) for page in PAGES}
    for page, counts in words.items():
        print(f"{page:40} {statistics.median(counts or [0]):5.0f} words in a median paragraph, {sum(counts):5} in all")
    every = [count for counts in words.values() for count in counts]
    assert statistics.median(every) < 35
    assert max(every) <= 90


def test_a_reason_stands_with_each_block_that_is_not_run() -> None:
    """Catches a tag that a typing error has made a comment without effect: the block would be run, or never be."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        tagged = [block for block in blocks_of(page) if block.not_run or block.exit_code]
        assert len(tagged) == len(re.findall(r"<!-- *(?:not|exit)", text)), _name(page)
