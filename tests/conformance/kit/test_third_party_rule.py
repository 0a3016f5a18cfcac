"""A distribution from outside is found, runs and is tested like ours. The oracle is an environment of its own."""

from __future__ import annotations

import json
from importlib.metadata import distributions, entry_points

import pytest

pytestmark = pytest.mark.separate_environment

RULE = "sparse_direct_feedback"


def test_command_lists_the_rule_from_its_own_installation(third_party_environment):
    """Catches a rule that is listed with another origin than the file which is imported for it."""
    listed_and_loaded = (
        "import inspect, sys; from benchsuite.cli.main import run_command;"
        "from benchsuite.registry.manager import installed_registry as r;"
        "assert run_command(['list', 'rules', '--json']) == 0;"
        f"print(inspect.getfile(r().rule({RULE!r})), file=sys.stderr); sys.exit(bool(r().failures))"
    )
    done = third_party_environment.run("-c", listed_and_loaded)
    assert done.returncode == 0, done.stdout + done.stderr
    listed = {entry["name"]: entry for entry in json.loads(done.stdout)["rules"]}
    assert listed[RULE]["from"] == "benchsuite-sparse-dfa 0.1.0"
    assert "backprop" in listed
    assert done.stderr.strip().startswith(str(third_party_environment.python.parents[1]))


def test_its_own_tests_pass_there(third_party_environment):
    done = third_party_environment.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=", cwd=third_party_environment.project
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_the_environment_of_the_tests_is_not_touched(third_party_environment):
    assert third_party_environment.python.exists()
    assert "benchsuite-sparse-dfa" not in {d.name for d in distributions()}
    assert RULE not in {point.name for point in entry_points(group="benchsuite")}


def test_it_runs_on_the_quickstart_beside_ours(third_party_environment, tmp_path):
    """An outside rule is one install away from the same table, data and seeds as the built-in ones."""
    done = third_party_environment.benchsuite(
        "run",
        "quickstart",
        "--tier",
        "smoke",
        "--seeds",
        "2",
        "--rules",
        f"backprop,{RULE}",
        "--json",
        "--tracking-uri",
        "none",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)["records"]
    found = {(r["spec"]["rule"]["name"], r["spec"]["seed"]): r for r in records}
    assert set(found) == {(rule, seed) for rule in ("backprop", RULE) for seed in (0, 1)}
    assert {r["status"] for r in records} == {"completed"}
    assert found[RULE, 0]["environment"]["rule_distribution"] == "benchsuite-sparse-dfa 0.1.0"
    assert found[RULE, 0]["data"]["fingerprint"] == found["backprop", 0]["data"]["fingerprint"]
    assert found[RULE, 0]["network"]["taken_over"] == ["dense1", "dense2"]
    assert (tmp_path / "benchsuite-store" / "records").is_dir()


def test_its_data_track_claim_and_reference_come_end_to_end_to_a_page(third_party_environment, tmp_path):
    """Catches spec files that a built wheel leaves out, and a part of the path that only built-in names take."""
    words = ("--rules", f"backprop,direct_feedback_alignment,{RULE}", "--seeds", "3", "--tracking-uri", "none")
    done = third_party_environment.benchsuite("run", "gratings-fc", *words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    records = json.loads(done.stdout)["records"]
    assert {r["status"] for r in records} == {"completed"}
    judged = third_party_environment.benchsuite("claims", "--json", cwd=tmp_path)
    verdicts = {each["claim"]: each for each in json.loads(judged.stdout)}
    assert verdicts["sparse-feedback-costs-little"]["verdict"] == "reproduced", verdicts
    page = tmp_path / "site" / "tracks" / "gratings-fc.html"
    built = third_party_environment.benchsuite("leaderboard", "build", "--out", str(tmp_path / "site"), cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    text = page.read_text(encoding="utf-8")
    assert RULE in text
    assert "4.90" in text, "the reference value"
    claims = (tmp_path / "site" / "claims.html").read_text(encoding="utf-8")
    assert "Sparse direct feedback costs little accuracy" in claims


def test_what_new_writes_is_installed_and_passes_its_own_tests(third_party_environment):
    """Catches a project whose wheel lacks its specs, or that works only where its sources happen to be on the path."""
    kinds = ("dataset", "architecture", "diagnostic")
    tests = [str(third_party_environment.made / f"my_{kind}" / "tests") for kind in kinds]
    done = third_party_environment.run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", *tests
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_new_writes_runs_together(third_party_environment, tmp_path):
    """Catches contributions of four distributions that do not meet: rule, data, network and diagnostic in one run."""
    settings = ("--set", "diagnostics.names=[my_diagnostic]", "--tier", "smoke", "--seeds", "1")
    for track in ("my_dataset", "my_architecture"):
        words = ("run", track, "--rules", "my_rule", *settings, "--tracking-uri", "none", "--json")
        done = third_party_environment.benchsuite(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        (record,) = json.loads(done.stdout)["records"]
        assert record["status"] == "completed"
        assert {each["diagnostic"] for each in record["diagnostics"]} == {"my_diagnostic"}
