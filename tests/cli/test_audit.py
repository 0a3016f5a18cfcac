"""Oracle: what the verb's help promises."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import benchsuite as bs
from benchsuite.conformance.audit.rule_audit import audit_rule
from benchsuite.conformance.samples import SAMPLE_NETWORKS
from benchsuite.credit.batch import StepResult
from benchsuite.records.audit import RuleAudit
from benchsuite.records.store import read_audits
from benchsuite.registry.manager import Registry
from benchsuite_rules.backprop import Backprop

Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def _few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audit in two networks, since what is asked here is how an audit is shown; all of them take 2 s a rule."""
    few = [sample for sample in SAMPLE_NETWORKS if sample.name in {"dense", "vectorized-code"}]
    monkeypatch.setattr("benchsuite.api.audits.audit_rule", partial(audit_rule, networks=few))


class Untruthful(Backprop):
    traits = Backprop.traits.model_copy(update={"weight_transport": False})


@pytest.fixture
def untruthful(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.rules, "backprop", Untruthful)


def test_a_sound_rule_exits_with_0_and_shows_trait_and_verdict(command: Command):
    done = command("audit", "readout_only")
    assert done.code == 0
    (row,) = (line for line in done.out.splitlines() if "trains_hidden" in line)
    assert row.split()[:4] == ["trains_hidden", "no", "no", "confirmed"]
    assert "1 rule audited, no trait contradicted" in done.out
    assert "with `--out benchsuite-store/audits` the rule's page on the board shows it" in " ".join(done.out.split())


@pytest.mark.usefixtures("untruthful")
def test_a_contradicted_trait_exits_with_1_and_says_by_what(command: Command):
    done = command("audit", "backprop")
    assert done.code == 1
    assert "backprop: declares weight_transport=False, the test shows True: largest relative change" in done.out
    assert "no trait contradicted" not in done.out


class Unseen(Backprop):
    """Runs forward in a way that cannot be held, so nothing is known of transport."""

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        weight = self.network.maps[self.network.readout].weight.detach()
        return StepResult(result.loss, result.logits + weight.sum())


def test_a_trait_that_was_not_tested_is_named(command: Command, registry: Registry, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(registry.rules, "backprop", Unseen)
    done = command("audit", "backprop")
    assert done.code == 0
    assert "backprop: not tested: weight_transport\n" in done.out


def test_json_is_a_list_of_audits_and_nothing_else(command: Command):
    done = command("audit", "gevb", "readout_only", "--json")
    audits = [RuleAudit.model_validate(entry) for entry in done.json]
    assert [found.rule for found in audits] == ["gevb", "readout_only"]
    assert not any(found.failed for found in audits)


def test_out_writes_one_file_a_rule_that_reads_back(command: Command, tmp_path: Path):
    done = command("audit", "gevb", "readout_only", "--out", str(tmp_path / "audits"), "--json")
    read = list(read_audits(tmp_path / "audits"))
    assert [found.model_dump(mode="json") for found in read] == done.json
    assert read[0].needs.forms == ("vectorized",)
    assert read[0].summary.startswith("Broadcast the output error vector")


def test_the_schema_of_an_audit_is_published(command: Command):
    assert "needs" in command("schema", "rule_audit").json["properties"]


def test_committed_audits_are_of_every_built_in_rule_and_contradict_none():
    folder = Path(__file__).resolve().parents[2] / "leaderboard" / "audits"
    found = {audit.rule: audit for audit in read_audits(folder)}
    built_in = {path.stem for path in (folder.parents[1] / "plugins" / "benchsuite_rules").glob("[!_]*.py")}
    assert set(found) <= built_in
    assert {"backprop", "feedback_alignment", "gevb", "gait_prop", "weight_mirror"} <= set(found)
    assert not any(audit.failed for audit in found.values())
    (transport,) = (each for each in found["backprop"].traits if each.trait == "weight_transport")
    assert transport.shown, "the control"


@pytest.mark.usefixtures("untruthful")
def test_json_has_the_exit_code_too(command: Command):
    done = command("audit", "backprop", "--json")
    assert done.code == 1
    verdicts = {each["trait"]: each["verdict"] for each in done.json[0]["traits"]}
    assert verdicts["weight_transport"] == "contradicted"


def test_an_unknown_rule_is_answered_before_any_is_audited(command: Command):
    done = command("audit", "readout_only", "gevbb")
    assert done.code == 2
    assert done.out == ""
    assert "no rule 'gevbb'; did you mean 'gevb'?" in done.err


def test_patterns_and_commas_choose_rules_as_in_run(command: Command):
    """Catches `audit 'my_*'` refused with "no rule 'my_*'", where `run --rules 'my_*'` works."""
    found = command("audit", "readout_onl?,gev*", "readout_only", "--json")
    assert [entry["rule"] for entry in found.json] == ["readout_only", "gevb"]
    nothing = command("audit", "zz*")
    assert (nothing.code, nothing.out) == (5, "")
    assert "no installed rule matches zz*" in nothing.err


def test_a_track_adds_a_comparison_with_float64(command: Command, tmp_path: Path):
    """Would catch an option that is taken and measures nothing; a rule that does not fit the track says why."""
    out = tmp_path / "audits"
    done = command("audit", "readout_only", "gevb", "--precision", "digits-fc", "--tier", "smoke", "--out", str(out))
    assert done.code == 0
    assert "readout_only on digits-fc: the update is within" in done.out
    assert "gevb on digits-fc: not measured: gevb: needs a network of form vectorized" in done.out
    (gevb, readout_only) = read_audits(out)
    assert [(seen.segment, seen.relative_difference > 0) for seen in readout_only.precision[0].segments]
    assert gevb.precision[0].segments == ()


def test_an_unknown_track_is_answered_before_any_rule_is_audited(command: Command):
    done = command("audit", "readout_only", "--precision", "digits-fcc")
    assert done.code == 2
    assert done.out == ""
    assert "digits-fc" in done.err


def test_all_rules_are_audited_if_none_is_named(command: Command, registry: Registry, monkeypatch: pytest.MonkeyPatch):
    for name in set(registry.rules) - {"gevb", "readout_only"}:
        monkeypatch.delitem(registry.rules, name)
    assert [entry["rule"] for entry in command("audit", "--json").json] == ["gevb", "readout_only"]


def test_several_jobs_give_the_same_audits_in_the_same_order(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Catches an option that does not reach the helpers, and files or lines that depend on the number of jobs.

    Helpers answer in this process; what processes add is tested in tests/execution/test_helper_processes.py.
    """
    rules = ["readout_only", "gevb", "backprop"]
    prepared: list[Any] = []
    counts = []

    def answers(module: str, request: object, questions: list[str], count: int) -> Any:
        counts.append(count)
        importlib.import_module(module).main()
        return map(prepared[0](pickle.loads(pickle.dumps(request))), questions)  # noqa: S301 - our own

    monkeypatch.setattr("benchsuite.api.audit_processes.answers", answers)
    monkeypatch.setattr("benchsuite.api.audit_processes.answer_questions", prepared.append)
    monkeypatch.setattr("torch.set_num_threads", lambda _: None)
    one, two = (
        command("audit", *rules, "--precision", "digits-fc", "--json", "--out", str(tmp_path / jobs), "--jobs", jobs)
        for jobs in ("1", "2")
    )
    assert counts == [2]
    assert [entry["rule"] for entry in two.json] == rules
    assert two.json == one.json
    assert [found.rule for found in read_audits(tmp_path / "2")] == sorted(rules)


@pytest.mark.slow
def test_audits_of_real_processes_are_those_of_this_one():
    """Catches a helper with other threads, other plugins or another checkout than the command."""
    rules = ["readout_only", "direct_feedback_alignment"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchsuite.api.audits.audit_rule", audit_rule)  # on all networks, as the helpers
        assert list(bs.audit_rules(rules, jobs=2)) == list(bs.audit_rules(rules))
