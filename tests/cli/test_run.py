"""Oracle: the exit codes in `benchsuite --help`, and what a newcomer types."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchsuite.execution import environment
from benchsuite.records.store import RecordStore
from benchsuite.training.trainer import Trainer

from ..warm import Process

Command = Callable[..., Any]
SMALL = ("--tier", "smoke", "--seeds", "1", "--rules", "backprop,direct_feedback_alignment")

NO_MOMENTUM = "{kind: sgd, learning_rate: 0.1, nesterov: true}"
TOO_LARGE = "{kind: conv2d, channels: 2, kernel: 9}"


def test_a_run_prints_its_table_and_builds_its_page(command: Command, tmp_path: Path) -> None:
    done = command("run", "digits-fc", *SMALL)
    assert done.code == 0, done.err
    for text in ("backprop", "direct_feedback_alignment", "test error", "leaderboard page", "benchsuite ui"):
        assert text in done.out
    page = tmp_path / "benchsuite-store" / "site" / "index.html"
    assert page.is_file()
    assert str(page) in done.out
    assert "2/2" in done.err


def test_piped_output_is_data_only_and_progress_has_no_bars(command: Command) -> None:
    done = command("run", "digits-fc", *SMALL, "--json")
    assert {r["spec"]["rule"]["name"] for r in done.json["records"]} == {"backprop", "direct_feedback_alignment"}
    assert "\x1b" not in done.err
    assert "━" not in done.err


def test_running_again_makes_only_what_is_missing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command("run", "digits-fc", *SMALL)
    epochs = []
    train_epoch = Trainer.train_epoch
    monkeypatch.setattr(Trainer, "train_epoch", lambda self, d=None: epochs.append(1) or train_epoch(self, d))
    again = command("run", "digits-fc", *SMALL)
    assert (again.code, epochs) == (0, [])
    assert again.err.count("found") == 2
    command("run", "digits-fc", "--tier", "smoke", "--seeds", "1", "--rules", "backprop,feedback_alignment")
    assert len(epochs) == 3, "one new rule of three epochs"
    command("run", "digits-fc", *SMALL, "--fresh")
    assert len(epochs) == 9


def test_results_of_an_older_source_are_replaced_and_it_is_said(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches numbers that change from one command to the next without a word, after a rule's file was edited."""
    options = ("run", "digits-fc", "--tier", "smoke", "--seeds", "2", "--rules", "backprop", "--json")
    options += ("--set", "protocol.epochs=1")
    assert "replaced" not in command(*options).err
    monkeypatch.setattr(environment, "source_hash", lambda rule: "ed" * 32)
    again = command(*options)
    assert again.err.count("earlier results of backprop on digits-fc are replaced: the rule's source,") == 1
    assert again.err.count("completed") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "nothing"), 2, "no suite, track or study"),
        (("run", "digits-fc", "--rules", "fedback_alignment"), 2, "did you mean 'feedback_alignment'?"),
        (("run", "digits-fc", "--set", "protocol.epochs=0"), 2, "found 0"),
        (("run", "digits-fc", "--seeds", "2", "--seed", "1"), 2, "not both"),
        (("run", "digits-fc", "--seeds", "0"), 2, "--seeds"),
        (("run", "digits-fc", "--tier", "huge"), 2, "huge"),
        (("run", "digits-fc", "--rules", "zz*"), 5, "matches"),
        (("run", "digits-fc", "--hardware", "cuda", "--set", "hardware.device=cuda:99"), 2, "CUDA devices"),
        (("run", "digits-fc", "--set", "hardware.memory_gib=1e6"), 2, "GiB"),
        (("run", "digits-fc", "--specs", "no-such-folder"), 2, "no such folder"),
        (("run", "mnist-fc", "--data-root", "nowhere"), 2, "nowhere"),
        (("run", "digits-fc", "--set", f"architecture.layers=[{TOO_LARGE}]"), 2, "leaves 0x0"),
        (("run", "digits-fc", "--set", "diagnostics.names=[angel]"), 2, "no diagnostic 'angel'"),
        (("run", "digits-fc", "--set", f"protocol.optimizer={NO_MOMENTUM}"), 2, "needs a momentum"),
        (("run", "missing.yaml"), 2, "no such file"),
        (("run", "digits-fc", "--store", "/proc/nothing"), 1, "cannot"),
        (("plan", "digits-fc", "--rules", "zz*"), 5, "matches"),
        (("info", "bakprop"), 2, "did you mean 'backprop'?"),
        (("validate", "missing.yaml"), 1, ""),
        (("leaderboard", "build"), 5, "no records"),
        (("sync",), 5, "no records"),
        (("ui",), 5, "no MLflow mirror"),
        (("nonsense",), 2, "nonsense"),
        (("new", "rule", "Bad-Name"), 2, "Bad-Name"),
    ],
)
def test_a_wrong_request_starts_nothing_and_shows_no_traceback(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.delenv("BENCHSUITE_DATA", raising=False)
    if arguments[0] == "ui":
        monkeypatch.delenv("BENCHSUITE_TRACKING_URI")
    done = command(*arguments)
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert not list((tmp_path / "benchsuite-store").rglob("*.json"))


def test_a_crashed_run_is_recorded_shown_and_exits_1(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    train_epoch = Trainer.train_epoch

    def broken(self: Trainer, deadline: float | None = None) -> object:
        if self.rule.name == "backprop":
            raise RuntimeError("a rule's own fault")
        return train_epoch(self, deadline)

    monkeypatch.setattr(Trainer, "train_epoch", broken)
    done = command("run", "digits-fc", *SMALL)
    assert done.code == 1
    assert "1 crashed" in done.out
    assert "a rule's own fault" in done.err
    assert "completed" in done.err, "the other run went on"


def test_divergence_is_a_result_and_exits_0(command: Command) -> None:
    done = command("run", "digits-fc", *SMALL, "--set", "protocol.optimizer={kind: sgd, learning_rate: 1e30}")
    assert done.code == 0
    assert "1 diverged" in done.out


def test_refused_pairs_are_told_once_and_the_others_run(command: Command) -> None:
    """Catches a record per seed of what was never possible, and a refusal that nobody is told."""
    done = command("run", "digits-fc", *SMALL, "--set", "architecture.layers=[]", "--json", "--seeds", "2")
    assert done.code == 0
    assert {(r["spec"]["rule"]["name"], r["status"]) for r in done.json["records"]} == {("backprop", "completed")}
    (refused,) = done.json["refused"]
    assert (refused["track"], refused["rule"]) == ("digits-fc", "direct_feedback_alignment")
    assert refused["reasons"] == ["needs at least 1 hidden segments, this network has 0"]
    assert done.err.count("refused: direct_feedback_alignment on digits-fc: needs at least 1 hidden") == 1


def test_where_all_pairs_are_refused_nothing_is_run_and_fitting_tracks_are_named(
    command: Command, tmp_path: Path
) -> None:
    """Catches a command that calls it a success, and a reader left without a track that would do."""
    done = command("run", "digits-fc", "--rules", "gevb", "--json")
    assert done.code == 2
    assert done.json["records"] == []
    (refused,) = done.json["refused"]
    assert len(refused["fitting"]) == 3
    assert all("fc-vectorized" in name for name in refused["fitting"])
    assert f"it works on {', '.join(refused['fitting'])}" in done.err
    assert not list((tmp_path / "benchsuite-store").rglob("*"))


def test_a_bug_of_ours_exits_3_and_asks_for_a_report(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object) -> None:
        raise LookupError("something nobody thought of")

    monkeypatch.setattr("benchsuite.execution.session.Session.check", broken)
    done = command("run", "digits-fc", *SMALL)
    assert done.code == 3
    assert "LookupError: something nobody thought of" in done.err
    assert "please report it" in done.err


@pytest.mark.parametrize(("stop", "jobs"), [(signal.SIGINT, 1), (signal.SIGHUP, 2)])
def test_interrupting_saves_state_and_prints_the_command_that_continues(
    start: Callable[..., Process], command: Command, tmp_path: Path, stop: signal.Signals, jobs: int
) -> None:
    """Catches runs made at the same time that wait for each other, or that are left alone when the command stops."""
    options = ("--seeds", "2", "--jobs", str(jobs), "--set", "protocol.epochs=100000")
    process = start("run", "digits-fc", "--rules", "backprop", *options)
    store = RecordStore(tmp_path / "benchsuite-store")
    wait_until(lambda: len(list(store.checkpoints_folder.glob("*.pt"))) == jobs, process)
    process.send_signal(stop)
    process.send_signal(signal.SIGTERM)  # a person or a scheduler may send a second one
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "continue with: benchsuite run digits-fc" in err
    assert "Traceback" not in err
    assert [record.status for record in store.read_all()] == ["interrupted"] * jobs
    assert not any(store.running_folder.iterdir())


def test_a_killed_run_is_continued_by_the_next_command(start: Callable[..., Process], tmp_path: Path) -> None:
    """SIGKILL leaves a mark of a dead process and a checkpoint; neither may block or be ignored.

    The worker ends with the command, or it would hold the run's lock and train on for nobody.
    """
    arguments = ("run", "digits-fc", "--rules", "backprop", "--seeds", "1", "--set", "protocol.epochs=100000")
    store = RecordStore(tmp_path / "benchsuite-store")
    first = start(*arguments)
    wait_until(lambda: any(store.checkpoints_folder.glob("*.pt")), first)
    first.kill()
    first.communicate(timeout=30)
    (marker,) = store.running_folder.glob("*.json")
    worker = json.loads(marker.read_text())["pid"]
    assert worker != first.pid
    with suppress(psutil.NoSuchProcess):
        psutil.Process(worker).wait(30)
    second = start(*arguments)
    checkpoint = next(store.checkpoints_folder.glob("*.pt"))
    saved_at = checkpoint.stat().st_mtime_ns
    wait_until(lambda: checkpoint.stat().st_mtime_ns > saved_at, second)
    second.send_signal(signal.SIGINT)
    second.communicate(timeout=60)
    (record,) = store.read_all()
    assert record.resumed == 1
    assert [e.epoch for e in record.epochs] == list(range(1, len(record.epochs) + 1))


def test_commands_started_at_once_share_the_work(start: Callable[..., Process], tmp_path: Path) -> None:
    """Each run is made once, every command ends with all records, and nothing is lost."""
    arguments = ("run", "quickstart", "--tier", "smoke", "--json")
    processes = [start(*arguments) for _ in range(3)]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert len(list(RecordStore(tmp_path / "benchsuite-store").read_all())) == 9
    assert sum(error.count("completed") for error in errors) == 9, errors
    assert sum(error.count("found") for error in errors) == 18, errors


def wait_until(condition: Callable[[], bool], process: Process, for_s: float = 120) -> None:
    """Wait for a condition while a process is alive."""
    end = time.monotonic() + for_s
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_store_that_is_gone_in_the_middle_of_a_run_costs_neither_the_result_nor_a_traceback(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches "this is a bug of benchsuite" for a disk that was unmounted, and a result that went with it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    train_epoch = Trainer.train_epoch

    def without_a_store(self: Trainer, deadline: float | None = None) -> object:
        if self.epoch == 1:
            shutil.rmtree(tmp_path / "store")
            (tmp_path / "store").write_text("no folder")
        return train_epoch(self, deadline)

    monkeypatch.setattr(Trainer, "train_epoch", without_a_store)
    done = command("run", "digits-fc", "--rules", "backprop", "--seeds", "1", "--tier", "smoke", "--store", "store")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "bug" not in done.err
    (kept,) = tmp_path.glob("benchsuite-rescued-*/*.json")
    assert str(kept) in done.err
    assert command("import", str(kept), "--store", "another").code == 0


def test_a_disk_error_is_told_in_a_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.EIO, "Input/output error", "/mnt/lab/store")

    monkeypatch.setattr("benchsuite.api.validation.validate", broken)
    done = command("validate", "a.yaml")
    assert done.code == 1
    assert "/mnt/lab/store: Input/output error" in done.err
    assert "Traceback" not in done.err
