"""Files that ``benchsuite new rule`` writes work unchanged. The oracles are the kit, ruff, mypy and the registry."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest
import torch

from benchsuite.conformance.samples import Trial
from benchsuite.errors import SpecError
from benchsuite.registry.manager import build_registry
from benchsuite.registry.scaffold import STARTS, create_rule_project
from benchsuite.testing import SAMPLE_NETWORKS

OTHERS = tuple(mechanism for mechanism in STARTS if mechanism != "feedback")


@pytest.fixture(scope="module")
def others(tmp_path_factory) -> Path:
    """Return a folder with a project of each mechanism but the default."""
    folder = tmp_path_factory.mktemp("others")
    for mechanism in OTHERS:
        create_rule_project(f"my_{mechanism}", folder, mechanism)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("projects")
    written = create_rule_project("my_first_rule", folder)
    assert all(path.is_file() for path in written)
    return folder / "my_first_rule"


def _environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in {"PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST"}}


def _run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_generated_rule_passes_the_conformance_kit(project, warm_python):
    """On two networks, and in whatever takes none; a rule of another distribution goes through all of them."""
    elsewhere = " or ".join(s.name for s in SAMPLE_NETWORKS if s.name not in {"dense", "conv"})
    arguments = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"not ({elsewhere})")
    result = warm_python.run(*arguments, cwd=project, environment=_environment())
    assert result.returncode == 0, result.stdout + result.stderr
    assert " passed" in result.stdout


def test_rules_of_all_mechanisms_keep_the_contract_and_learn(others, warm_python):
    """Catches a template that an author's first `pytest` fails; one network of each form stands for the others."""
    chosen = {"conv", "invertible-dense"}
    elsewhere = " or ".join(s.name for s in SAMPLE_NETWORKS if s.name not in chosen | {"dense"})
    arguments = ("-m", "pytest", "-p", "no:cacheprovider", "--import-mode=importlib", "-k", f"not ({elsewhere})")
    sources = os.pathsep.join(str(others / f"my_{mechanism}" / "src") for mechanism in OTHERS)
    environment = _environment() | {"PYTHONPATH": sources}
    result = warm_python.run(*arguments, str(others), cwd=others, environment=environment)
    assert result.returncode == 0, result.stdout + result.stderr
    assert all(f"my_{mechanism}.py" in result.stdout for mechanism in OTHERS)


def test_the_example_in_the_templates_docstring_does_what_it_says(project):
    """Catches an example that was never run: pasted by an author, it fails every check in the second step."""
    source = (project / "src/benchsuite_my_first_rule/rule.py").read_text()
    example = source.split("keep the magnitudes::\n")[1].split('"""')[0]
    module: dict[str, Any] = {"__name__": "pasted"}
    written = source.split("    def after_update")[0] + "    def after_update(self):\n"
    exec(written + indent(dedent(example), " " * 8), module)  # noqa: S102 (our own template)
    sample = next(s for s in SAMPLE_NETWORKS if s.name == "dense")
    trial = Trial.start(module["MyFirstRule"](), sample)
    magnitudes = {name: weight.abs() for name, weight in trial.rule.feedback_weights.items()}
    for step in range(2):
        trial.step(sample.batch(step))
    assert magnitudes
    for name, weight in trial.rule.feedback_weights.items():
        assert torch.equal(weight, magnitudes[name] * trial.network.maps[name].weight.sign())


def test_code_of_every_mechanism_is_clean_under_ruff(others):
    for check in (("check", "--no-cache", "."), ("format", "--no-cache", "--check", ".")):
        result = _run("ruff", *check, cwd=others)
        assert result.returncode == 0, result.stdout + result.stderr


def test_an_unknown_mechanism_is_named_with_the_nearest_and_nothing_written(tmp_path):
    with pytest.raises(SpecError, match="did you mean 'targets'"):
        create_rule_project("mine", tmp_path, "target")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "check", [("check", "--no-cache", "."), ("format", "--no-cache", "--check", ".")], ids=" ".join
)
def test_generated_code_is_clean_under_ruff(project, check):
    result = _run("ruff", *check, cwd=project)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.slow
def test_generated_code_is_clean_under_strict_mypy(project, tmp_path):
    """Among the slow ones, since mypy reads all of torch for it; CI runs it beside its own types."""
    result = _run("mypy", "--cache-dir", str(tmp_path), cwd=project)
    assert result.returncode == 0, result.stdout + result.stderr


def test_registry_accepts_the_generated_plugin(project, monkeypatch):
    monkeypatch.syspath_prepend(str(project / "src"))
    registry = build_registry([EntryPoint("my_first_rule", "benchsuite_my_first_rule.rule", "benchsuite")])
    assert registry.failures == []
    assert list(registry.rules) == ["my_first_rule"]
    assert "my_first_rule = " in (project / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("My Rule", "such as my_rule"),
        ("", "such as my_rule"),
        ("_rule", "such as my_rule"),
        ("2nd", "such as my_rule"),
        ("../escape", "such as my_rule"),
        ("lambda", "lambda_rule"),
        ("backprop", "taken by benchsuite"),
        ("rules", "benchsuite_rules is installed already"),
    ],
)
def test_name_that_cannot_be_used_is_refused_and_nothing_written(tmp_path, name, says):
    with pytest.raises(SpecError) as refused:
        create_rule_project(name, tmp_path)
    assert says in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_named_and_left_as_they_are(tmp_path):
    first = create_rule_project("twice", tmp_path)
    first[0].write_text("mine")
    for path in first[2:]:
        path.unlink()
    with pytest.raises(SpecError) as refused:
        create_rule_project("twice", tmp_path)
    assert str(first[0]) in str(refused.value)
    assert str(first[1]) in str(refused.value)
    assert first[0].read_text() == "mine"
    assert not first[2].exists()
