"""Oracle: what a reader of the docs types after a command has ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.cli.next_steps import after_runs, after_tuning, same_places, show_next
from benchsuite.cli.options import DEFAULT_STORE
from benchsuite.records.model import RunRecord
from tests.factories import make_record


def outside(record: RunRecord) -> RunRecord:
    environment = record.environment.model_copy(update={"rule_distribution": "benchsuite-my-rule 0.1"})
    return record.model_copy(update={"environment": environment})


def test_runs_of_the_suites_own_rules_lead_to_a_rule_of_ones_own() -> None:
    assert list(after_runs([make_record("backprop", 0, 0.1)], DEFAULT_STORE)) == [
        "benchsuite ui",
        "benchsuite new rule my_rule",
    ]


def test_runs_of_a_rule_from_elsewhere_lead_to_its_audit_and_its_tuning() -> None:
    """Catches an author who is told to begin a rule after running one, and commands for another store."""
    records = [make_record("backprop", 0, 0.1), outside(make_record("mine", 0, 0.1))]
    store = Path("kept here")
    assert list(after_runs(records, store, same_places(store, [Path("own")], hardware="a.yml"))) == [
        "benchsuite audit mine --out 'kept here/audits'",
        "benchsuite tune digits-fc --rules backprop,mine --tier quick --store 'kept here' --specs own --hardware a.yml",
        "benchsuite ui --store 'kept here'",
    ]
    rule = records[1].spec.rule.model_copy(update={"tuned_by": "ab" * 8})
    tuned = records[1].model_copy(update={"spec": records[1].spec.model_copy(update={"rule": rule})})
    assert not any("tune" in step for step in after_runs([tuned], DEFAULT_STORE))
    refused = [record.model_copy(update={"status": "incompatible"}) for record in records[1:]]
    assert not any("mine" in step for step in after_runs(refused, DEFAULT_STORE))


def test_a_tuning_leads_to_the_final_runs_of_its_own_tier_and_settings() -> None:
    """Catches a next command that finds no tuning, since it asks for another tier or other settings."""
    places = same_places(DEFAULT_STORE, data_root=Path("data"))
    assert list(after_tuning("digits-fc", "backprop,mine", "smoke", ["rules.mine.config.scale=2"], places)) == [
        "benchsuite run digits-fc --rules backprop,mine --tier smoke --settings tuned "
        "--set rules.mine.config.scale=2 --data-root data"
    ]
    assert list(after_tuning("core", None, "quick", [])) == ["benchsuite run core --tier quick --settings tuned"]


def test_within_uv_run_the_commands_begin_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches commands that the reader's shell does not find."""
    monkeypatch.setattr("benchsuite.registry.scaffold.commands.shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    show_next({"benchsuite ui": "runs"})
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    show_next({"benchsuite ui": "runs"})
    assert capsys.readouterr().out.splitlines() == [
        "",
        "next",
        "  benchsuite ui  runs",
        "",
        "next",
        "  uv run benchsuite ui  runs",
    ]
