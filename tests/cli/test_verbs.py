"""Oracle: what each verb's help promises."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from benchsuite.registry.manager import Registry, build_registry
from benchsuite.specs.loading.library import builtin_folder
from benchsuite.specs.loading.tree import read

from ..warm import WarmPython

Command = Callable[..., Any]


def test_plan_shows_runs_refusals_and_estimates_without_running(command: Command, tmp_path: Path) -> None:
    done = command("plan", "digits-fc", "--set", "architecture.layers=[]", "--json")
    assert done.code == 0
    by_rule = {p["spec"]["rule"]["name"]: p for p in done.json}
    assert by_rule["direct_feedback_alignment"]["refused"] == ["needs at least 1 hidden segments, this network has 0"]
    assert by_rule["backprop"]["refused"] == []
    assert by_rule["backprop"]["estimate"]["parameters"] == 64 * 10 + 10
    assert not (tmp_path / "benchsuite-store").exists()
    shown = command("plan", "digits-fc", "--set", "architecture.layers=[]")
    assert "refused: direct_feedback_alignment on digits-fc" in shown.out


def test_plan_needs_no_data_where_the_spec_says_its_shape(command: Command) -> None:
    done = command("plan", "mnist-fc", "--tier", "paper", "--data-root", "nowhere", "--json")
    assert done.code == 0
    assert done.json[0]["estimate"]["parameters"] == 784 * 1024 + 1024 + 1024 * 512 + 512 + 512 * 10 + 10


def test_list_shows_the_same_as_the_registry(command: Command, registry: Registry) -> None:
    """Catches a listing that drifts from what is really loaded."""
    found = command("list", "--json").json
    assert {e["name"] for e in found["rules"]} == set(registry.rules)
    assert {e["name"] for e in found["diagnostics"]} == set(registry.diagnostics)
    for entry in found["rules"]:
        assert entry["summary"] == " ".join((registry.rules[entry["name"]].__doc__ or "").split("\n\n")[0].split())
    for entry in found["diagnostics"]:
        assert entry["summary"] == registry.diagnostics[entry["name"]].summary
    assert {"quickstart"} <= {e["name"] for e in found["suites"]}
    assert found["failed_plugins"] == []
    assert all(e["summary"] for section in ("rules", "tracks", "datasets") for e in found[section])


def test_list_shows_a_broken_plugin_and_goes_on(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_plugin.py").write_text("import a_module_that_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [*read_points(), EntryPoint("broken", "broken_plugin", "benchsuite")]
    monkeypatch.setattr("benchsuite.registry.manager.installed_registry", lambda: build_registry(points))
    done = command("list")
    assert done.code == 0
    assert "left out: plugin broken" in done.out
    assert "No module named 'a_module_that_is_not_installed'" in done.out
    assert "feedback_alignment" in done.out


def read_points() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group="benchsuite"))


def test_help_imports_nothing_heavy() -> None:
    """`--help` and the shell's completion have to answer at once, and torch alone takes a second to import."""
    code = (
        "import sys; from benchsuite.cli.main import run_command; assert run_command(['--help']) == 0;"
        "from benchsuite.api.completion import complete_rule, complete_target;"
        "assert 'quickstart' in complete_target('quick'); assert 'backprop' in complete_rule('back');"
        "heavy = {'torch', 'mlflow', 'sklearn', 'torchvision', 'scipy', 'pandas', 'numpy'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name", ["backprop", "direct_feedback_alignment", "digits-fc", "quickstart", "credit_angle_deg"]
)
def test_info_knows_everything_that_list_shows(command: Command, name: str) -> None:
    done = command("info", name)
    assert done.code == 0
    assert name in done.out
    assert command("info", name, "--json").json


def test_info_on_a_rule_has_its_hyperparameters_with_their_meaning(command: Command) -> None:
    rule = command("info", "direct_feedback_alignment", "--json").json["rule"]
    assert rule["hyperparameters"]["range"]["default"] == 1.0
    assert all(field["meaning"] for field in rule["hyperparameters"].values())


def test_info_on_a_track_has_what_is_published_of_it(command: Command) -> None:
    """Catches values shown on another track than their own, and a bound shown as a value."""
    published = command("info", "mnist-fc-conventional-mixed", "--json").json["published values on"]
    errors = {(v["rule"], v["metric"]): v for v in published if "segment" not in v}
    assert errors["direct_feedback_alignment", "test_error_percent"]["value"] == 2.09
    assert errors["backprop", "train_error_percent"]["relation"] == "at_most"
    assert len(errors) == 4
    assert all(v["runs"] == 5 and v["tier"] == "paper" and "Clark" in v["source"] for v in published)
    assert "published values on" not in command("info", "digits-fc", "--json").json


def test_list_shows_where_published_values_are(command: Command) -> None:
    shown = command("list", "reference").out
    assert "gevb-tables" in shown
    assert "weight-mirror" in shown


def test_the_page_of_a_track_has_a_published_value_only_where_specs_give_one(command: Command, tmp_path: Path) -> None:
    """Catches a column for other rules, and a wrong reference file that takes the page with it."""
    command("run", "digits-fc", "--tier", "smoke", "--seeds", "1", "--rules", "backprop,readout_only", "--store", "one")
    folder = tmp_path / "own" / "reference"
    folder.mkdir(parents=True)
    entry = "{track: digits-fc, rule: backprop, metric: test_error_percent, value: 12.34}"
    (folder / "ours.yaml").write_text(f"source: a thesis\ntier: smoke\nentries: [{entry}]\n")
    arguments = ("leaderboard", "build", "--records", "one/records", "--out", "page")
    page = tmp_path / "page" / "tracks" / "digits-fc.html"
    assert command(*arguments).code == 0
    assert "a thesis" not in page.read_text()
    assert command(*arguments, "--specs", "own").code == 0
    assert "12.34" in page.read_text()
    assert page.read_text().count("a thesis") == 1
    (folder / "ours.yaml").write_text(f"source: a thesis\nentries: [{entry.replace('12.34', '1234')}]\n")
    done = command(*arguments, "--specs", "own")
    assert done.code == 1, "the page is there, and something is missing on it"
    assert "per cent, 0 to 100" in done.err
    assert "12.34" not in page.read_text()


def test_validate_names_every_problem_and_exits_1(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "tracks"
    folder.mkdir()
    path = folder / "mine.yaml"
    path.write_text("dataset: digits\narchitecture: digits-fc\nprotocol: {epoch: 3, batch_size: 0}\n")
    done = command("validate", str(path), "--json")
    assert done.code == 1
    (problems,) = done.json.values()
    assert {p["field"] for p in problems} >= {"protocol.epochs", "protocol.epoch", "protocol.batch_size"}
    assert all(p["line"] == 3 for p in problems)
    path.write_text(
        "dataset: digits\narchitecture: digits-fc\n"
        "protocol: {epochs: 3, batch_size: 8, optimizer: {kind: sgd, learning_rate: 0.1}}\n"
    )
    assert command("validate", str(path)).code == 0


def test_a_track_in_a_users_folder_runs_by_name_and_by_path(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / "own" / "tracks"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text(
        "extends: digits-fc\nprotocol: {epochs: 1}\ndiagnostics: {names: []}\ntiers: {}\n"
    )
    arguments = ("--rules", "backprop", "--seeds", "1", "--json")
    by_name = command("run", "mine", "--specs", str(tmp_path / "own"), *arguments)
    by_path = command("run", str(folder / "mine.yaml"), *arguments)
    assert by_name.code == by_path.code == 0, by_name.err + by_path.err
    assert by_name.json["records"][0]["run_id"] == by_path.json["records"][0]["run_id"]


def test_schemas_accept_the_builtin_specs_and_refuse_wrong_ones(command: Command) -> None:
    schemas = command("schema").json
    singular = {
        "datasets": "dataset",
        "architectures": "architecture",
        "hardware": "hardware",
        "tracks": "track",
        "suites": "suite",
        "studies": "study",
        "reference": "reference",
        "claims": "claim",
    }
    for path in sorted(builtin_folder().glob("*/*.yaml")):
        content = read(path).plain()
        validator = Draft202012Validator(schemas[singular[path.parent.name]])
        assert list(validator.iter_errors(content)) == [], path
        assert list(validator.iter_errors({**content, "nonsense": 1})), path


def test_schemas_ask_for_every_field_but_of_a_spec_that_builds_on_another(command: Command) -> None:
    validator = Draft202012Validator(command("schema", "track").json)
    partial = {"protocol": {"epochs": 3}, "dataset": "digits"}
    assert list(validator.iter_errors(partial))
    assert not list(validator.iter_errors({**partial, "extends": "digits-fc"}))
    assert list(validator.iter_errors({"protocol": {"epochs": "three"}, "extends": "digits-fc"}))
    assert not list(validator.iter_errors({"dataset": {"extends": "digits", "train_limit": 3}, "extends": "digits-fc"}))
    assert list(validator.iter_errors({"dataset": {"train_limit": "3"}, "extends": "digits-fc"}))


def test_schema_writes_one_file_each(command: Command, tmp_path: Path) -> None:
    assert command("schema", "--out", str(tmp_path / "schemas")).code == 0
    assert (tmp_path / "schemas" / "track.schema.json").is_file()


def test_doctor_tells_versions_data_and_plugins(command: Command) -> None:
    done = command("doctor", "--data-root", "nowhere", "--json")
    assert done.code == 0
    report = done.json
    assert report["datasets"]["digits"]["found"] is True
    assert report["datasets"]["mnist"]["found"] is False
    assert report["problems"] == []
    assert {"torch", "benchsuite", "mlflow"} <= set(report["versions"])
    assert "problems" in command("doctor").out


def test_the_page_is_built_from_any_folder_of_records(command: Command, tmp_path: Path) -> None:
    command("run", "digits-fc", "--tier", "smoke", "--seeds", "1", "--rules", "backprop", "--store", "one")
    done = command("leaderboard", "build", "--records", "one/records", "--out", "page", "--json")
    assert done.code == 0
    assert done.json["records"] == 1
    assert (tmp_path / "page" / "index.html").is_file()


def test_a_run_is_mirrored_and_sync_finds_nothing_left_to_do(command: Command, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    arguments = ("run", "digits-fc", "--tier", "smoke", "--seeds", "1", "--rules", "backprop", "--tracking-uri", uri)
    done = command(*arguments)
    assert done.code == 0, done.err
    assert done.err.endswith(f"MLflow: 1 run mirrored in {tmp_path}/mlflow.db\n")
    again = command("sync", "--tracking-uri", uri, "--json")
    assert again.code == 0
    assert (again.json["mirrored"], again.json["unchanged"]) == (0, 1)


def test_a_store_that_is_down_costs_the_mirror_not_the_record(command: Command, tmp_path: Path) -> None:
    uri = "http://127.0.0.1:9"
    arguments = ("run", "digits-fc", "--tier", "smoke", "--seeds", "1", "--rules", "backprop", "--tracking-uri", uri)
    done = command(*arguments)
    assert done.code == 0
    assert "benchsuite sync" in done.err
    assert len(list((tmp_path / "benchsuite-store" / "records").glob("*.json"))) == 1


def test_new_rule_writes_a_project_and_says_what_to_type(command: Command, tmp_path: Path) -> None:
    done = command("new", "rule", "my_rule")
    assert done.code == 0
    assert "pip install -e my_rule" in done.out
    assert (tmp_path / "my_rule" / "pyproject.toml").is_file()
    again = command("new", "rule", "my_rule")
    assert again.code == 2
    assert "Traceback" not in again.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("benchsuite run quick", {"quickstart"}),
        ("benchsuite run urfb-l", {"urfb-linear-dynamics"}),
        ("benchsuite run digits-fc --rules backprop,feed", {"backprop,feedback_alignment"}),
        ("benchsuite le", {"leaderboard"}),
    ],
)
def test_the_shell_completes_commands_targets_and_rules(words: str, expected: set[str]) -> None:
    environment = {
        **os.environ,
        "_BENCHSUITE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    code = "from benchsuite.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == expected, done.stderr


def test_ctrl_c_while_the_command_exits_gives_no_traceback(warm_python: WarmPython) -> None:
    """Catches a second Ctrl-C that meets Python's or torch's clean-up, and looks like a bug of the suite."""
    code = (
        "import atexit, os, signal; from benchsuite.cli.main import main;"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT)); main()"
    )
    done = warm_python.run("-c", code, "--version")
    assert done.stdout.startswith("benchsuite ")
    assert done.stderr == ""
    assert done.returncode == -signal.SIGINT


def test_doctor_exits_1_on_a_broken_plugin_and_names_it(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken_plugin.py").write_text("import a_module_that_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    points = [*read_points(), EntryPoint("broken", "broken_plugin", "benchsuite")]
    monkeypatch.setattr("benchsuite.registry.manager.installed_registry", lambda: build_registry(points))
    done = command("doctor")
    assert done.code == 1
    assert "plugin broken" in done.out
    assert "No module named 'a_module_that_is_not_installed'" in done.out
