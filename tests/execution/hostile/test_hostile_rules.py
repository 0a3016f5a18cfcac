"""Oracle: a command without hostile rules. What a rule does to its process reaches no other run, and each has a record.

One command makes all runs, the hostile rules first and backprop last.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import benchsuite as bs
from benchsuite.records.checks import inconsistencies
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="rlimit and /proc are Linux's")

TRACK = """
title: Tiny
description: Two epochs of six steps.
source: ours
dataset:
  {name: tiny, title: Tiny, kind: synthetic, train_examples: 96, test_examples: 40, height: 4, width: 4, classes: 7,
   normalization: {mean: [0.5], std: [0.5]}}
architecture: {name: tiny, title: Tiny, kind: chain, layers: [{kind: dense, units: 12}]}
protocol:
  {epochs: 2, batch_size: 16, timeout_s: 8, optimizer: {kind: adam, learning_rate: 1e-2}}
diagnostics: {names: [credit_angle_deg], every_epochs: 1, examples: 16}
tiers: {smoke: {}, quick: {}, paper: {}}
"""
QUICKLY = """
from benchsuite.cli.main import main
from benchsuite.execution import checkpointing
from benchsuite.execution.workers import attempt, worker
checkpointing.CHECKPOINT_EVERY_S = 0.0
attempt.TIMEOUT_GRACE_S = attempt.STOP_GRACE_S = 0.5
worker.longest_stretch_s = lambda limit: 3.0
main()
"""


@dataclass
class Made:
    """Result of the command: its exit code, output and records."""

    code: int
    out: str
    err: str
    folder: Path
    records: dict[str, RunRecord]

    def attempts(self, rule: str) -> int:
        """Return how many processes came to a rule's misdeed."""
        return len((self.folder / rule).read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return what a command with all hostile rules came to; backprop is made last."""
    folder = tmp_path_factory.mktemp("hostile")
    site = folder / "site"
    (site / "hostile_rules-1.dist-info").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("hostile_rules.py"), site)
    (site / "hostile_rules-1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: hostile-rules\nVersion: 1\n"
    )
    (site / "hostile_rules-1.dist-info" / "entry_points.txt").write_text(
        "[benchsuite]\nhostile_rules = hostile_rules\n"
    )
    (folder / "tiny.yaml").write_text(TRACK)
    options = ["--rules", "h_*,backprop", "--seeds", "1", "--hardware", "cpu", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", QUICKLY, "run", "tiny.yaml", *options, "--tracking-uri", "none", "--store", "store"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]),
            "HOSTILE_FOLDER": str(folder),
            "BENCHSUITE_EXECUTOR": "local",
        },
        capture_output=True,
        text=True,
        timeout=240,  # less than the time that scripts/mutate.py gives it
        check=False,
    )
    found = list(RecordStore(folder / "store").read_all())
    assert all(isinstance(record, RunRecord) for record in found), done.stderr
    return Made(done.returncode, done.stdout, done.stderr, folder, {r.spec.rule.name: r for r in found})


@pytest.fixture(scope="module")
def clean(made: Made, tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """Return backprop's record of a process in which no hostile rule was."""
    results = bs.run(
        made.folder / "tiny.yaml",
        rules="backprop",
        seeds=1,
        hardware="cpu",
        store=tmp_path_factory.mktemp("clean"),
        tracking_uri="none",
        executor="inline",
    )
    return results.records[0]


def numbers(record: RunRecord) -> Any:
    """Return all that a record measured, without times."""
    epochs = [e.model_dump(exclude={"train_time_s", "images_per_s"}) for e in record.epochs]
    return epochs, [d.model_dump() for d in record.diagnostics]


def test_every_run_has_a_record_with_its_status_and_the_command_says_that_some_crashed(made: Made) -> None:
    """Catches a rule that ends the command, and with it the records of all that stands after it."""
    assert made.code == 1, made.err
    assert {rule: record.status for rule, record in made.records.items()} == {
        "h_aborts": "crashed",
        "h_exits": "crashed",
        "h_flags": "crashed",
        "h_hangs": "timed_out",
        "h_hangs_in_attach": "timed_out",
        "h_hangs_in_diagnostic": "timed_out",
        "h_hangs_in_evaluation": "timed_out",
        "h_killed_once": "completed",
        "h_leaks": "out_of_memory",
        "h_lingers": "completed",
        "h_prints": "completed",
        "h_random_a": "completed",
        "h_random_b": "completed",
        "h_segfaults": "crashed",
        "h_stuck": "timed_out",
        "h_targets": "completed",
        "backprop": "completed",
    }
    assert not any((made.folder / "store" / "running").iterdir())


def test_stdout_is_json_whatever_rules_print(made: Made) -> None:
    """Catches what a rule prints when it is imported, in a step, or past Python, in the middle of the JSON."""
    assert {run["spec"]["rule"]["name"] for run in json.loads(made.out)["records"]} >= {"backprop", "h_prints"}
    log = (made.folder / "store" / "records" / f"{made.records['h_prints'].run_id}.log").read_text()
    assert sorted(log.splitlines()) == ["printed in a step", "written to file descriptor 1 in a step"]


def test_a_run_after_hostile_ones_has_the_numbers_of_a_clean_process(made: Made, clean: RunRecord) -> None:
    """Catches a dtype, a thread count, a grad mode, a stream, a patched class or labels that outlive a run."""
    assert numbers(made.records["backprop"]) == numbers(clean)
    assert made.records["backprop"].hardware == clean.hardware
    assert made.records["backprop"].result_key == clean.result_key


def test_a_rule_that_writes_into_its_batches_changes_neither_its_data_nor_its_error(made: Made) -> None:
    """Catches batches that are views of the data set, and an error that is counted with labels of the rule."""
    assert numbers(made.records["h_targets"]) == numbers(made.records["backprop"])


def test_a_rule_that_exits_is_recorded_at_once(made: Made) -> None:
    """Catches an exit code 0 that ends a suite in silence."""
    assert made.records["h_exits"].reason == "sys.exit(0) was called during the run"
    assert made.attempts("h_exits") == 1


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("h_aborts", "its process ended with exit code 0, without a record"),
        ("h_segfaults", "its process was ended by signal 11 (SIGSEGV)"),
    ],
)
def test_a_rule_that_ends_its_process_is_tried_again_once_and_recorded_with_its_output(
    made: Made, rule: str, reason: str
) -> None:
    """Catches a command that dies with the rule, and a rerun that dies at the same run each time."""
    record = made.records[rule]
    assert record.reason == reason
    assert made.attempts(rule) == 2
    assert len(record.epochs) == 1, "saved before it died"
    assert record.hardware == made.records["backprop"].hardware
    said = {"h_aborts": "the last words of a rule", "h_segfaults": "Segmentation fault"}[rule]
    assert said in (record.traceback or "")


def test_a_run_that_was_killed_once_goes_on_from_its_checkpoint(made: Made) -> None:
    """Catches a run that is lost with its process, or begun anew, or made with other numbers."""
    record = made.records["h_killed_once"]
    assert made.attempts("h_killed_once") == 2
    assert record.resumed == 1
    assert numbers(record) == numbers(made.records["backprop"])


@pytest.mark.parametrize("rule", ["h_hangs", "h_stuck"])
def test_a_time_limit_holds_for_a_rule_that_does_not_return(made: Made, rule: str) -> None:
    """Catches a limit that is checked only between steps; one rule can be interrupted, the other must be killed."""
    record = made.records[rule]
    assert record.reason.startswith("more than 8 s on the clock")
    assert ("was killed" in record.reason) is (rule == "h_stuck")
    assert not (made.folder / rule).exists(), "it came to the end of its hang"
    assert len(record.epochs) == 1


@pytest.mark.parametrize(
    ("place", "during", "epochs"),
    [("attach", "setup", 0), ("diagnostic", "diagnostics", 1), ("evaluation", "evaluation", 0)],
)
def test_a_run_with_a_time_limit_ends_also_if_its_rule_hangs_off_the_clock(
    made: Made, place: str, during: str, epochs: int
) -> None:
    """Catches a limit that is held only while the training clock runs; such a command never ended."""
    record = made.records[f"h_hangs_in_{place}"]
    assert record.reason == f"more than 3 s off the clock ({during})"
    assert not (made.folder / record.spec.rule.name).exists(), "it came to the end of its hang"
    assert len(record.epochs) == epochs
    assert list(inconsistencies(record)) == []


def test_a_run_without_memory_ends_and_the_next_one_has_all(made: Made) -> None:
    """Catches memory that stays full after the run that filled it."""
    assert "out of memory on cpu" in made.records["h_leaks"].reason


def test_a_rule_that_draws_from_torchs_own_stream_has_the_same_numbers_each_time(made: Made) -> None:
    """Catches a stream that goes on where the run before left it, under one key."""
    assert numbers(made.records["h_random_a"]) == numbers(made.records["h_random_b"])
    assert numbers(made.records["h_random_a"]) != numbers(made.records["backprop"])
