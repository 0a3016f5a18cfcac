"""Oracle: what MLflow holds after a session, whenever its process got to know of it, and whatever became of it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime

import psutil
import pytest

from benchsuite.records.mlflow import beside, process
from benchsuite.records.mlflow.beside import RecorderBeside
from benchsuite.records.mlflow.follower import Follower
from benchsuite.records.mlflow.labels import NO_LABELS
from benchsuite.records.mlflow.process import Event, MirrorProcess, forget_process, kept_process
from benchsuite.records.mlflow.uris import default_tracking_uri
from tests.factories import make_study

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


@pytest.fixture
def replies() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def follower(tmp_path, monkeypatch, replies) -> Follower:
    monkeypatch.chdir(tmp_path)
    return Follower(replies)


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def started(monkeypatch) -> Iterator[object]:
    """Return a function that starts the mirror's process with other code."""

    def start(code: str) -> MirrorProcess:
        monkeypatch.setattr(process, "BOOT", code)
        new = kept_process()
        assert new is not None
        return new

    forget_process()
    yield start
    forget_process()


def session_started(store) -> Event:
    arguments = {"store": store.root, "tracking_uri": default_tracking_uri(store.root)}
    return Event(
        LONG_AGO, "session_started", {**arguments, "folder": store.root, "environment": {}, "labels": NO_LABELS}
    )


def run_started(record) -> Event:
    return Event(LONG_AGO, "run_started", {"run_id": record.run_id, "spec": record.spec})


def epoch_finished(record, metrics) -> Event:
    return Event(LONG_AGO + 60, "epoch_finished", {"run_id": record.run_id, "metrics": metrics})


def diagnostics_measured(record, values) -> Event:
    return Event(LONG_AGO + 70, "diagnostics_measured", {"run_id": record.run_id, "values": values})


def begin(recorder, store, record) -> None:
    context = {"store": store.root, "tracking_uri": default_tracking_uri(store.root)}
    recorder.benchsuite_session_started([record.spec], context)


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process(os.getpid()).children() if process.BOOT in " ".join(child.cmdline())]


def test_events_handled_late_keep_the_times_at_which_they_happened(follower, store, mirror, make_record):
    """Catches a run that seems to begin, and its curves to end, when MLflow had been imported."""
    record = make_record()
    events = [
        session_started(store),
        run_started(record),
        epoch_finished(record, record.epochs[0]),
        diagnostics_measured(record, record.diagnostics),
    ]
    follower.handle([*events, Event(LONG_AGO + 90, "session_finished", {})])
    (run,) = mirror.runs()
    (point,) = mirror.client.get_metric_history(run.info.run_id, "test/error_percent")
    assert run.info.start_time == LONG_AGO * 1000
    assert point.timestamp == (LONG_AGO + 60) * 1000
    angles = mirror.client.get_metric_history(run.info.run_id, "alignment/credit_angle_deg/dense1")
    assert [angle.step for angle in angles] == [0, 1, 2, 3]
    assert {angle.timestamp for angle in angles} == {(LONG_AGO + 70) * 1000}


def test_runs_that_ended_before_mlflow_was_there_are_mirrored_once_and_whole(follower, store, mirror, make_record):
    """Catches a backlog that leaves a run running, twice, or without its record; a run that goes on stays live."""
    ended, goes_on = make_record(seed=0), make_record(seed=1)
    path = store.write(ended)
    beginnings = [session_started(store), run_started(ended), run_started(goes_on)]
    epochs = [epoch_finished(ended, metrics) for metrics in ended.epochs]
    epochs.append(diagnostics_measured(ended, ended.diagnostics))
    follower.handle([*beginnings, *epochs, Event(LONG_AGO, "run_finished", {"path": path})])
    assert sorted((r.info.run_name, r.info.status) for r in mirror.runs()) == [
        ("backprop-seed0", "FINISHED"),
        ("backprop-seed1", "RUNNING"),
    ]


def test_a_study_is_mirrored_from_its_file_and_one_that_is_gone_is_told_of(follower, store, mirror, replies):
    """Catches a study's event that nobody handles, and a lost one without a word."""
    record = make_study()
    path = store.write_study(record)
    finished = [Event(LONG_AGO, "study_finished", {"path": p}) for p in (path, path.with_name("gone.json"))]
    follower.handle([session_started(store), *finished, Event(LONG_AGO, "session_finished", {})])
    assert [run.info.run_name for run in mirror.runs("studies")] == [record.spec.name]
    assert b"gone.json" in replies.getvalue()  # the session's warning


def test_session_of_a_killed_command_leaves_no_run_running(follower, store, mirror, make_record):
    """Catches a process that goes on after its command was killed, and opens a run that nobody will close."""
    follower.handle([session_started(store), run_started(make_record())])
    follower.close()
    (run,) = mirror.runs()
    assert (run.info.status, run.data.tags["benchsuite.status"]) == ("KILLED", "interrupted")


def test_a_process_that_hangs_holds_no_run_up_and_is_ended(started, store, make_record, warnings, monkeypatch):
    """Catches a session that waits for a full pipe, or a command that waits for ever at its end."""
    monkeypatch.setattr(beside, "NOTICEABLE_S", 0.01)
    monkeypatch.setattr(beside, "STALLED_AFTER_S", 0.05)
    recorder = RecorderBeside(started("import time; time.sleep(300)"), warnings.append)
    record = make_record()
    begin(recorder, store, record)
    for _ in range(200):  # many times what a pipe holds
        recorder.benchsuite_run_started(record.run_id, record.spec)
    explained: list[str] = []
    assert recorder.finish(explained.append) is None
    assert len(explained) == len(warnings) == 1
    assert "benchsuite sync" in warnings[0]
    assert children() == []


def test_a_process_that_dies_is_told_once_and_the_next_session_has_another(started, store, make_record, warnings):
    """Catches a mirror that is not complete, and a command that says nothing of it."""
    first = started("import sys; sys.exit(3)")
    recorder = RecorderBeside(first, warnings.append)
    record = make_record()
    begin(recorder, store, record)
    assert recorder.finish() is None
    recorder.benchsuite_run_started(record.run_id, record.spec)
    assert len(warnings) == 1
    assert "ended with 3" in warnings[0]
    assert kept_process() is not first


def test_ctrl_c_while_it_waits_ends_the_process_and_says_what_to_type(
    started, store, make_record, warnings, monkeypatch
):
    """Catches a process that outlives its command, and a mirror that is not complete without a word."""
    mirror_process = started("import time; time.sleep(300)")
    recorder = RecorderBeside(mirror_process, warnings.append)
    begin(recorder, store, make_record())

    def interrupted(wait_s: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mirror_process, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recorder.finish()
    assert "benchsuite sync" in warnings[0]
    assert children() == []
