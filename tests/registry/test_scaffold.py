"""All that ``benchsuite new`` writes beside rules works unchanged. Oracles: its own tests, ruff and the suite."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import benchsuite as bs
from benchsuite.data.kind import Access
from benchsuite.data.plugin.reader import read_with_plugin
from benchsuite.errors import SpecError
from benchsuite.registry.scaffold import CONTRIBUTIONS, create_contribution, install_command
from benchsuite.registry.scaffold import commands as scaffold_commands
from benchsuite.specs.models.dataset import PluginDataset

from ..installing import install_in_place

PACKAGES = ("dataset", "architecture", "diagnostic")


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a project of each kind that is a package."""
    folder = tmp_path_factory.mktemp("projects")
    for kind in PACKAGES:
        made = create_contribution(kind, f"my_{kind}", folder)
        assert made.project == folder / f"my_{kind}"
        assert all(path.is_file() for path in made.files)
    return folder


def test_every_project_passes_its_own_tests(projects, warm_python):
    """Catches a template that an author's first `pytest` fails: a reader, a builder or a spec that is not as needed."""
    sources = [str(install_in_place(projects / f"my_{kind}")) for kind in PACKAGES]
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST"}}
    done = warm_python.run(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(projects)),
        cwd=projects,
        environment=environment | {"PYTHONPATH": os.pathsep.join(sources)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 passed" in done.stdout


@pytest.mark.parametrize("check", [("check",), ("format", "--check")], ids=" ".join)
def test_generated_code_is_clean_under_ruff(projects, check):
    words = [sys.executable, "-m", "ruff", *check, "--no-cache", "."]
    done = subprocess.run(words, cwd=projects, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["track", "claim"])
def test_a_new_spec_file_is_valid(tmp_path, kind):
    """Catches a template that names a field or a track that was renamed since."""
    made = create_contribution(kind, f"my-{kind}", tmp_path)
    assert made.project is None
    assert made.files == [tmp_path / f"{kind}s" / f"my-{kind}.yaml"]
    assert bs.validate(made.files) == {str(made.files[0]): []}


def test_a_new_data_set_can_be_tuned_on(projects, monkeypatch):
    """Catches a template whose spec holds out examples for `benchsuite tune`, and whose reader tuning refuses."""
    monkeypatch.syspath_prepend(str(projects / "my_dataset" / "src"))
    readers = importlib.import_module("benchsuite_my_dataset.dataset").benchsuite_datasets()
    file = projects / "my_dataset/src/benchsuite_my_dataset/specs/datasets/my_dataset.yaml"
    spec = PluginDataset.model_validate(yaml.safe_load(file.read_text()) | {"name": "my_dataset"})
    assert spec.validation is not None
    assert len(read_with_plugin(spec, Access(projects, readers, test=False)).test_targets) == 0


def test_a_new_track_runs(tmp_path):
    create_contribution("track", "my-track", tmp_path / "specs")
    results = bs.run(
        *("my-track",),
        specs=tmp_path / "specs",
        rules="backprop",
        seeds=1,
        tier="smoke",
        store=tmp_path / "store",
        tracking_uri="none",
    )
    assert [record.status for record in results.records] == ["completed"]


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("dataset", "My Data", "such as my_dataset"),
        ("dataset", "digits", "taken by benchsuite"),
        ("architecture", "digits-fc", "such as my_architecture"),
        ("architecture", "resnet18", "taken by"),
        ("diagnostic", "scale", "taken by benchsuite"),
        ("track", "digits-fc", "digits-fc.yaml"),
        ("track", "../escape", "such as my-track"),
        ("claim", "", "such as my-claim"),
        ("rulez", "mine", "none of dataset"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_written(tmp_path, kind, name, says):
    with pytest.raises(SpecError) as refused:
        create_contribution(kind, name, tmp_path)
    assert says in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_existing_files_are_left_as_they_are(tmp_path):
    made = create_contribution("track", "twice", tmp_path)
    made.files[0].write_text("mine")
    with pytest.raises(SpecError, match=r"twice\.yaml exists already"):
        create_contribution("track", "twice", tmp_path)
    assert made.files[0].read_text() == "mine"


def test_the_install_command_is_one_that_the_environment_has(monkeypatch, tmp_path):
    """Catches README's uv path: an environment without pip, where `pip install` would reach another Python's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr(scaffold_commands, "find_spec", lambda name: object() if name == "pytest" else None)
    monkeypatch.setattr(scaffold_commands.shutil, "which", lambda name: None)
    by_module = f"python3 -m uv pip install -e mine --python {sys.executable}"
    assert install_command(Path("mine")) == by_module
    (tmp_path / ".venv").symlink_to(sys.prefix)
    assert install_command(Path("mine")) == by_module  # as a module uv overlooks the folder's environment
    monkeypatch.setattr(scaffold_commands.shutil, "which", lambda name: "/usr/bin/uv")
    assert install_command(Path("mine")) == "uv pip install -e mine"
    monkeypatch.setattr(scaffold_commands, "find_spec", lambda name: object())
    assert install_command(Path("mine")) == "pip install -e mine"


def test_an_environment_without_pytest_gets_it_with_the_project(monkeypatch):
    """Catches `pip install .` of the suite, then `pytest`: another Python's, which has no benchsuite."""
    monkeypatch.setattr(scaffold_commands, "find_spec", lambda name: object() if name == "pip" else None)
    assert install_command(Path("mine")) == "pip install -e mine pytest"


def test_every_kind_says_what_to_type_next(tmp_path):
    for kind in CONTRIBUTIONS:
        trials = create_contribution(kind, f"next_{kind}", tmp_path).trials
        assert trials
        assert all("$" not in trial and trial.startswith("benchsuite ") for trial in trials)
