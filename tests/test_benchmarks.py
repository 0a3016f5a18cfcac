"""Oracle: every script under ``benchmarks/`` runs to its end on today's code, however little it measures."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

# Benchmarks take torch.utils.benchmark, which imports it. That fails in a process in which another test has imported
# the standard library's distutils first, so it is imported before any test.
import setuptools  # noqa: F401
import torch

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if "def main(" in path.read_text())
WITH_SMOKE = [path.stem for path in SCRIPTS if '"--smoke"' in path.read_text() or "add_smoke(" in path.read_text()]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("BENCHSUITE_DATA", str(tmp_path))  # no data sets: the same work on every machine

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield module
    for path in FOLDER.glob("*.py"):  # other tests may load them under the same names
        sys.modules.pop(path.stem, None)


def test_no_benchmark_has_the_name_of_an_installed_module() -> None:
    """Catches a script that is taken for a library: pytest-cov loads ``coverage`` before any test."""
    assert [path.name for path in FOLDER.glob("*.py") if importlib.util.find_spec(path.stem) is not None] == []


@pytest.mark.parametrize("name", WITH_SMOKE)
def test_every_benchmark_runs_to_its_end(load, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a benchmark that a change of the library's interface or a new rule ends with a traceback."""
    threads = torch.get_num_threads()
    try:
        load(name).main(["--smoke"])
    finally:
        torch.set_num_threads(threads)
    assert capsys.readouterr().out


def test_both_sides_of_the_time_to_an_error_learn_the_same(load, tmp_path: Path) -> None:
    """Catches another order of examples or other feedback on one side, whose time would be that of another training."""
    module = load("time_to_error")
    spec = module.specs_of(module.TASKS["cifar10-jpeg75-conv"], "feedback_alignment")
    spec = spec.model_copy(update={"dataset": module.alike(spec)})
    suite, plain = module.sides_of(spec, module.load_dataset(spec.dataset, tmp_path), seed=0)
    ours, theirs = suite.steps(), plain.steps()
    for _ in range(spec.protocol.steps_per_epoch(300) + 1):  # into the second epoch, which has an order of its own
        next(ours), next(theirs)
    assert module.largest_difference(suite, plain) < 1e-5


def test_a_benchmark_without_a_smoke_run_says_why() -> None:
    others = [path for path in SCRIPTS if path.stem not in WITH_SMOKE]
    assert [path.name for path in others if "No ``--smoke``: " not in path.read_text()] == []


def test_what_is_measured_is_kept_when_the_rest_fails(load, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a failure in the last row that loses the minutes before."""
    row = {"median": 1.0, "low": 1.0, "high": 1.0, "rounds": 2}

    def rows():
        yield "first", row
        raise RuntimeError

    with pytest.raises(RuntimeError):
        load("pairing").report(rows(), {}, tmp_path / "found.json")
    assert "first" in capsys.readouterr().out
    assert json.loads((tmp_path / "found.json").read_text()) == {"first": row}
