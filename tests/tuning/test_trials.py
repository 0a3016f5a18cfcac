"""Checked against the promise of a tuning: exactly its trials, whatever number of processes makes or loses them."""

from __future__ import annotations

import os
import signal
import traceback
from collections import Counter

import pytest
import torch._dynamo  # noqa: F401 - takes seconds: here once, rather than in each forked process

from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import StoreError
from benchsuite.records.checks import inconsistencies
from benchsuite.records.store import RecordStore
from benchsuite.records.tuning import TrialResult
from benchsuite.specs.search_space import trial_settings
from benchsuite.tuning import queue as queue_module
from benchsuite.tuning.queue import TrialQueue
from benchsuite.tuning.rounds import Rounds
from benchsuite.tuning.search import records_in_store, search, searched
from benchsuite.tuning.storage import open_storage


@pytest.fixture(scope="module", autouse=True)
def _imported(tmp_path_factory):
    """Import what a storage needs before processes are forked."""
    open_storage(f"sqlite:///{tmp_path_factory.mktemp('warm')}/trials.db")


def made_up(claim, spec):
    return TrialResult(
        number=claim.point,
        settings=claim.settings,
        run_id="0",
        seed=spec.budget.seed,
        status="diverged",
        reason="made up",
        validation_error=None,
        validation_loss=None,
        epochs=0,
        train_time_s=0,
        wall_time_s=0,
        hardware_class="none",
    )


def in_children(count, work):
    """Call a function in forked processes; return the exit statuses of all."""
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work()
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitpid(child, 0)[1] for child in children]


def nothing(*_):
    """Report nothing."""


@pytest.mark.parametrize("kind", ["sqlite:///{}/trials.db", "journal:{}/trials.log"])
def test_four_processes_make_each_trial_once(make_tuning, tmp_path, kind):
    """Catches two processes that claim one trial, trials that nobody makes, and more trials than the budget's."""
    address, spec = kind.format(tmp_path), make_tuning(trials=8)

    def work():
        mine = TrialQueue(open_storage(address), "study", spec, trial_settings(spec))
        mine.fill()
        while (claim := mine.claim()) is not None:
            with (tmp_path / "made.txt").open("a") as log:
                log.write(f"{claim.point}\n")
            mine.enter_result(claim, made_up(claim, spec))

    assert in_children(4, work) == [0] * 4
    queue = TrialQueue(open_storage(address), "study", spec, trial_settings(spec))
    assert [result.number for result in queue.results()] == list(range(8))
    assert Counter((tmp_path / "made.txt").read_text().split()) == {str(point): 1 for point in range(8)}
    complete = [t for trials in queue._by_point().values() for t in trials if t.state.name == "COMPLETE"]
    assert len(complete) == 8


def test_a_killed_process_loses_its_running_trial_at_most(make_tuning, factory, tmp_path):
    """Catches a study that waits forever for a killed process, makes finished trials again, or lacks a trial."""
    spec, address = make_tuning(trials=4), f"sqlite:///{tmp_path}/trials.db"
    tuning = searched(spec, "benchsuite tune tiny", factory)

    runs = factory.store.records_folder

    def work():
        execute = factory.execute

        def killed(run):
            if len(list(runs.glob("*.json"))) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(run)

        factory.execute = killed  # type: ignore[method-assign]
        search([tuning], open_storage(address), factory, nothing)

    assert in_children(1, work) == [signal.SIGKILL]
    before = {path.name: path.stat().st_mtime_ns for path in runs.glob("*.json")}
    assert len(before) == 1
    (record,) = search([tuning], open_storage(address), factory, nothing)
    assert [trial.number for trial in record.trials] == [0, 1, 2, 3]
    assert len(list(runs.glob("*.json"))) == 4
    assert all((runs / name).stat().st_mtime_ns == made for name, made in before.items())
    assert not inconsistencies(record)


def test_a_command_killed_in_its_second_tuning_leaves_the_first_ones_record(make_tuning, factory, tmp_path):
    """Catches records that are written when all tunings are done: hours of a suite's trials without a result."""
    tunings = [searched(make_tuning(rule, trials=2), f"tune {rule}", factory) for rule in ("backprop", "readout_only")]
    address = f"sqlite:///{tmp_path}/trials.db"

    def work():
        execute = factory.execute

        def killed(run):
            if len(list(factory.store.records_folder.glob("*.json"))) == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            return execute(run)

        factory.execute = killed  # type: ignore[method-assign]
        search(tunings, open_storage(address), factory, nothing)

    assert in_children(1, work) == [signal.SIGKILL]
    (left,) = records_in_store(tunings, factory)
    assert (left.command, len(left.trials)) == ("tune backprop", 2)
    assert search(tunings, open_storage(address), factory, nothing)[0] == left
    assert len(records_in_store(tunings, factory)) == 2


def test_two_processes_on_one_study_write_its_record_once(make_tuning, factory, tmp_path, monkeypatch):
    """Catches a record that each process writes with its own environment, and one that no process writes."""
    tunings = [searched(make_tuning(rule, trials=2), f"tune {rule}", factory) for rule in ("backprop", "readout_only")]
    address, log, write = f"sqlite:///{tmp_path}/trials.db", tmp_path / "written.txt", RecordStore.write_tuning

    def logged(store, record):
        with log.open("a") as lines:
            lines.write(f"{record.command}\n")
        return write(store, record)

    monkeypatch.setattr(RecordStore, "write_tuning", logged)
    storage = open_storage(address)
    for each in tunings:
        Rounds(storage, each.study_name, each.spec).fill()
    assert in_children(2, lambda: search(tunings, open_storage(address), factory, nothing, fill=False)) == [0, 0]
    search(tunings, open_storage(address), factory, nothing)
    assert sorted(log.read_text().splitlines()) == ["tune backprop", "tune readout_only"]


def test_a_silent_process_of_another_machine_is_given_up(make_tuning, tmp_path, monkeypatch):
    """Catches trials of a lost machine that nobody makes, and those of a living one that are taken from it."""
    spec = make_tuning(trials=2)
    queue = TrialQueue(open_storage(f"sqlite:///{tmp_path}/trials.db"), "study", spec, trial_settings(spec))
    queue.fill()
    monkeypatch.setattr(queue_module, "_this_process", lambda: {"host": "elsewhere", "pid": 1, "started_at": 0.0})
    claim = queue.claim()
    assert queue.release_lost() == 1
    monkeypatch.setattr(queue_module, "SILENCE_S", -1.0)
    queue.storage.trials.set_trial_user_attr(claim.trial_id, queue_module.BEAT, 1)
    assert queue.release_lost() == 1
    assert queue.release_lost() == 0
    queue.enter_result(claim, made_up(claim, spec))  # it was only slow, and comes too late
    assert queue.results() == []
    assert {queue.claim().point for _ in range(2)} == {0, 1}


def test_crashed_trials_are_tried_again_by_the_next_command_only(make_tuning, tmp_path):
    """Catches a crash that is made again without end, and one that stays for good."""
    spec = make_tuning(trials=1)
    queue = TrialQueue(open_storage(f"sqlite:///{tmp_path}/trials.db"), "study", spec, trial_settings(spec))
    queue.fill()
    claim = queue.claim()
    queue.enter_result(claim, made_up(claim, spec).model_copy(update={"status": "crashed"}))
    assert queue.claim() is None
    assert queue.results()[0].status == "crashed"
    assert queue.is_complete()
    queue.fill()
    assert not queue.is_complete()
    again = queue.claim()
    assert (again.point, again.settings) == (claim.point, claim.settings)


def test_tuning_never_reads_the_test_set(make_tuning, factory, tmp_path):
    """Catches a test set in the process of a trial: this reader would end the tuning."""
    whole = factory.loader.load(make_tuning().run.dataset).dataset

    def guarded(options, data_root, *, test=True):
        if test:
            raise AssertionError("read the test set")
        return DecodedDataset.without_test(whole.train_inputs, whole.train_targets, whole.classes)

    factory.registry.datasets["guarded"] = guarded
    dataset = {"kind": "plugin", "name": "guarded", "reader": "guarded", "validation": {"examples": 20}}
    tuning = searched(make_tuning(dataset=dataset), "benchsuite tune tiny", factory)
    (record,) = search([tuning], open_storage(f"sqlite:///{tmp_path}/trials.db"), factory, nothing)
    assert record.data.test_examples == 0
    assert record.best is not None
    assert all(epoch.test is None and epoch.validation for run in factory.store.read_all() for epoch in run.epochs)
    assert not [problem for run in factory.store.read_all() for problem in inconsistencies(run)]


def test_divergence_is_a_trials_result(make_tuning, factory, tmp_path):
    """Catches diverged trials that are dropped, tried again, or chosen."""
    spec = make_tuning(protocol={"optimizer": {"kind": "sgd", "learning_rate": 0.1}})
    wild = spec.space[0].model_copy(update={"low": 0.1, "high": 1e30})
    tuning = searched(spec.model_copy(update={"space": (wild,)}), "benchsuite tune tiny", factory)
    (record,) = search([tuning], open_storage(f"sqlite:///{tmp_path}/trials.db"), factory, nothing)
    ended = Counter(trial.status for trial in record.trials)
    assert ended["diverged"] >= 1
    assert sum(ended.values()) == 4
    assert record.best is None or record.best.status == "completed"


def test_an_unknown_storage_is_refused_without_its_password():
    with pytest.raises(StoreError) as caught:
        open_storage("nosuch://me:secret@host/db")
    assert "secret" not in str(caught.value)


def test_a_rule_with_a_default_100_times_off_ends_where_one_that_started_right_does(make_tuning, factory, tmp_path):
    """Catches tuning that depends on the default: digits, Adam, from 1e-3 and from 1e-1."""
    best = []
    for rate in (1e-3, 1e-1):
        spec = make_tuning(
            trials=4,
            dataset={"kind": "digits", "name": "digits", "train_limit": 400, "validation": {"examples": 200}},
            protocol={"optimizer": {"kind": "adam", "learning_rate": rate}},
        )
        tuning = searched(spec, "benchsuite tune tiny", factory)
        (record,) = search([tuning], open_storage(f"sqlite:///{tmp_path}/{rate}.db"), factory, nothing)
        best.append(record.best.validation_error)
    assert abs(best[0] - best[1]) < 0.02
    assert max(best) < 0.5
