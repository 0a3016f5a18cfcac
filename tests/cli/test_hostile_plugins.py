"""Oracle: what a plugin breaks is left out and named with its origin by every verb; all else works."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pytest

from benchsuite.registry.manager import build_registry

RULE = """
from benchsuite.plugin import CreditWork, ReplacedFeedbackRule, RuleTraits, hookimpl

BENCHSUITE_CONTRACT = 1

class Mine(ReplacedFeedbackRule):
    name = "{name}"
    traits = RuleTraits(mechanism="replaced_feedback", source="a test", hidden_update_is_backprop=True)

    @classmethod
    def credit_work(cls, config, shapes):
        return CreditWork(per_example=-86.0)

@hookimpl
def benchsuite_rules():
    return [Mine]

@hookimpl
def benchsuite_run_finished(record, path):
    raise SystemExit(0)
"""
SOURCES = {
    "impostor": RULE.format(name="backprop"),
    "stopping": "raise KeyboardInterrupt\n",
    "works": RULE.format(name="works"),
}


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    points = [*entry_points(group="benchsuite")]
    for name, source in SOURCES.items():
        (tmp_path / f"hostile_{name}.py").write_text(source)
        points.append(EntryPoint(name, f"hostile_{name}", "benchsuite"))
    registry = build_registry(points)
    monkeypatch.setattr("benchsuite.registry.manager.installed_registry", lambda: registry)


@pytest.mark.usefixtures("hostile")
def test_every_verb_names_what_is_left_out_and_does_the_rest(
    command: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Catches a suite that one installed plugin stops, or from which it removes the baseline without a word."""
    taken = "PluginError: rule 'backprop' is benchsuite's own (benchsuite_rules.backprop); give yours another name"
    reasons = (
        f"plugin impostor (no distribution, hostile_impostor) was left out: {taken}",
        "plugin stopping (no distribution, hostile_stopping) was left out: KeyboardInterrupt",
    )
    doctor = command("doctor", "--json")
    assert (doctor.code, tuple(doctor.json["problems"])) == (1, reasons)

    listed = command("list", "--json").json
    assert {"backprop", "works"} <= {rule["name"] for rule in listed["rules"]}
    assert [plugin["plugin"] for plugin in listed["failed_plugins"]] == ["impostor", "stopping"]

    request = ("digits-fc", "--tier", "smoke", "--seeds", "1", "--rules", "backprop,works", "--json")
    planned = command("plan", *request)
    assert [entry["estimate"] is None for entry in planned.json] == [False, True]
    assert "expected numbers from zero up (provided by works (no distribution, hostile_works))" in planned.err

    done = command("run", *request)
    assert (done.code, [record["status"] for record in done.json["records"]]) == (0, ["completed", "completed"])
    for reason in reasons:
        assert reason in " ".join(done.err.split())
        assert reason in planned.err
    assert caplog.text.count("hostile_works failed in benchsuite_run_finished: SystemExit: 0") == 2

    missing = command("run", "digits-fc", "--rules", "hostile_stopping")
    assert missing.code == 2
    assert "its plugin stopping (no distribution, hostile_stopping) was left out: KeyboardInterrupt" in missing.err
