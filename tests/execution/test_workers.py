"""Oracle: runs made in the calling process. Runs made in workers of a fresh server have the same records."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import benchsuite as bs
from benchsuite import process
from benchsuite.errors import SpecError
from benchsuite.execution.workers.isolation import TorchState, until_forked
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import build_registry, installed_registry

from ..warm import WarmPython

# As wide as it takes for torch to use the caller's threads: smaller networks take one by themselves.
TRACK = """
title: Wide
description: Two epochs of six steps.
source: ours
dataset:
  {name: tiny, title: Tiny, kind: synthetic, train_examples: 96, test_examples: 40, height: 4, width: 4, classes: 7,
   normalization: {mean: [0.5], std: [0.5]}}
architecture:
  {name: tiny, title: Tiny, kind: chain, layers: [{kind: dense, units: 12000}, {kind: dropout, probability: 0.3}]}
protocol: {epochs: 2, batch_size: 16, optimizer: {kind: adam, learning_rate: 1e-2}}
diagnostics: {names: [credit_angle_deg], every_epochs: 1, examples: 16}
tiers: {smoke: {}, quick: {}, paper: {}}
"""

# No guard of `__main__`, torch's threads in use, and two sessions: what a notebook does.
SCRIPT = """
import json, os, sys, threading
with open("executed", "a") as stream:
    stream.write(".")
import torch
torch.set_num_threads(2)
(torch.randn(600, 600) @ torch.randn(600, 600)).add(1).sum()
torch.set_num_threads(3)
import benchsuite as bs
from benchsuite.api.progress import Progress
from benchsuite.registry import hookimpl

class Seen(Progress):
    def __init__(self):
        self.events = []
    @hookimpl
    def benchsuite_run_started(self, run_id):
        self.events.append(["started", os.getpid()])
    @hookimpl
    def benchsuite_epoch_finished(self, metrics):
        self.events.append(["epoch", metrics.epoch])
    @hookimpl
    def benchsuite_run_finished(self, record):
        self.events.append(["finished", record.status])

seen, several = Seen(), Seen()

def run(rules, progress=seen, store="store", **options):
    where = {"hardware": "cpu", "store": store, "tracking_uri": "none", "jobs": 1}  # a note tells of runs beside
    return bs.run("tiny.yaml", rules=rules, seeds=1, progress=progress, **(where | options))

from benchsuite.execution.workers import starting
results = [run(["backprop", "feedback_alignment"])]
server = starting.fresh_server()
results += [run(["backprop"]), run(["direct_feedback_alignment"])]
rules = ["backprop", "feedback_alignment", "direct_feedback_alignment"]
run(rules, several, "several", jobs=2, set={"hardware.threads": 3})
assert starting.fresh_server() is server
found = [len(r.reused) for r in results]
print(json.dumps({"found": found, "events": seen.events, "several": several.events, "pid": os.getpid()}))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, warm_python: WarmPython) -> Path:
    """Return the folder of a script that was run; ``said`` is what it printed."""
    folder = tmp_path_factory.mktemp("script")
    (folder / "tiny.yaml").write_text(TRACK)
    (folder / "script.py").write_text(SCRIPT)
    environment = {**os.environ, "BENCHSUITE_EXECUTOR": "local"}
    done = warm_python.run("script.py", cwd=folder, environment=environment, timeout_s=600)
    assert done.returncode == 0, done.stderr
    (folder / "said").write_text(done.stdout)
    (folder / "warned").write_text(done.stderr)
    return folder


def numbers(record: RunRecord) -> Any:
    """Return a record without times."""
    timed = {"train_time_s", "images_per_s"}
    content = record.model_dump(exclude={"timing", "started_at", "ended_at", "command"})
    return {**content, "epochs": [{k: v for k, v in e.items() if k not in timed} for e in content["epochs"]]}


def test_a_script_without_a_guard_is_executed_once(script: Path) -> None:
    """Catches a server that imports the caller's script, which would run everything again in each worker."""
    assert (script / "executed").read_text() == "."


def test_a_script_prints_nothing_that_is_not_its_own(script: Path) -> None:
    """Catches 31 lines of "nanobind: leaked …" from a server that Python takes apart at its exit."""
    assert (script / "warned").read_text() == ""


def test_workers_of_a_fresh_server_make_the_records_of_the_calling_process(script: Path, tmp_path: Path) -> None:
    """Catches settings, data or random streams that differ in a worker; to the last bit."""
    torch.set_num_threads(3)
    rules = ["backprop", "feedback_alignment", "direct_feedback_alignment"]
    here = bs.run(
        script / "tiny.yaml",
        rules=rules,
        seeds=1,
        hardware="cpu",
        store=tmp_path,
        tracking_uri="none",
        executor="inline",
    )
    there = {r.run_id: numbers(r) for r in RecordStore(script / "store").read_all() if isinstance(r, RunRecord)}
    assert there == {r.run_id: numbers(r) for r in here.records}


def test_events_reach_the_callers_plugins_in_order(script: Path) -> None:
    """Catches events that are lost, doubled, out of order or sent in the worker, where no plugin of the caller is."""
    said = json.loads((script / "said").read_text())
    assert said["found"] == [0, 1, 0]
    assert said["events"] == [["started", said["pid"]], ["epoch", 1], ["epoch", 2], ["finished", "completed"]] * 3


def test_runs_at_the_same_time_have_the_numbers_of_runs_one_after_the_other(script: Path) -> None:
    """Catches one too many at once, messages that reach another's run, and times that do not tell of the others."""
    said = json.loads((script / "said").read_text())
    words = [word for word, _ in said["several"] if word != "epoch"]
    assert sorted(words) == ["finished"] * 3 + ["started"] * 3
    active = [words[:i].count("started") - words[:i].count("finished") for i in range(7)]
    assert max(active) <= 2
    alone, beside = (
        {r.spec.rule.name: r for r in RecordStore(script / store).read_all() if isinstance(r, RunRecord)}
        for store in ("store", "several")
    )
    assert alone.keys() == beside.keys()
    for rule, record in beside.items():
        assert [e.running_loss for e in record.epochs] == [e.running_loss for e in alone[rule].epochs]
        assert record.diagnostics == alone[rule].diagnostics
        assert any("one of up to 2 runs at the same time" in note for note in record.hardware.notes)


@pytest.mark.parametrize(
    ("jobs", "executor", "message"),
    [(0, "local", "at least 1, found 0"), (2, "inline", "one run at a time"), (2, "ray", "as its machines have room")],
)
def test_jobs_that_an_executor_cannot_make_are_refused(jobs: int, executor: Any, message: str) -> None:
    """Catches a number of jobs that is silently ignored."""
    with pytest.raises(SpecError, match=message):
        bs.run("digits-fc", jobs=jobs, executor=executor)


def test_each_of_several_runs_gets_its_share_of_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches four runs that use four cores each."""
    from benchsuite.execution.run_factory import RunFactory
    from benchsuite.execution.workers.supervisor import Supervisor, supervised
    from benchsuite.training.ranks import SINGLE_PROCESS

    state = replace(TorchState.read(), threads=8)
    monkeypatch.setattr(TorchState, "apply", lambda self: None)
    for jobs, threads in ((1, 8), (3, 2), (9, 1)):
        factory = RunFactory(RecordStore(tmp_path), build_registry(), tmp_path, False, print, SINGLE_PROCESS)
        with supervised(factory, [], state, jobs):
            assert isinstance(factory.maker, Supervisor)
            assert (factory.maker.at_once, factory.maker.torch_state.threads) == (jobs, threads)


def test_only_a_process_that_will_be_forked_is_kept_to_one_thread(
    script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches runs that are made in the command's own process with the one thread that a fork would have needed."""
    monkeypatch.setattr(process, "_owned", True)
    monkeypatch.setattr("benchsuite.execution.threads.SMALL_BATCH_MACS", 0)  # else one thread is the run's own choice
    torch.set_num_threads(3)
    made = bs.run(script / "tiny.yaml", rules="backprop", seeds=1, hardware="cpu", store=tmp_path, tracking_uri="none")
    assert made.records[0].hardware.threads == 3
    assert until_forked(TorchState.read()).threads == 1


def test_what_was_registered_in_this_process_is_not_looked_for_in_another() -> None:
    """Catches a fresh server that is asked for rules that exist in the caller's process alone."""
    from benchsuite.execution.run_factory import RunFactory
    from benchsuite.execution.workers.starting import can_make_workers
    from benchsuite.training.ranks import SINGLE_PROCESS

    store = RecordStore(Path())
    for registry, can in ((installed_registry(), True), (build_registry(), False)):
        factory = RunFactory(store, registry, Path(), False, lambda record: None, SINGLE_PROCESS)
        assert can_make_workers(factory) is can
