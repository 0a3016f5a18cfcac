"""Oracle: what a pluggy host that calls the hooks in the harness's order finds in MLflow afterwards."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pluggy
import pytest

from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.plugin import MlflowRecorder
from benchsuite.records.mlflow.uris import default_tracking_uri
from benchsuite.registry import hookspecs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def hook(warnings, clock):
    manager = pluggy.PluginManager("benchsuite")
    manager.add_hookspecs(hookspecs)
    manager.register(MlflowRecorder(warn=warnings.append, clock=clock))
    manager.check_pending()
    return manager.hook


def start_session(hook, store, spec, tracking_uri="own") -> None:
    uri = default_tracking_uri(store.root) if tracking_uri == "own" else tracking_uri
    hook.benchsuite_session_started(runs=[spec], context={"store": store.root, "tracking_uri": uri})


def run_through(hook, store, record) -> None:
    hook.benchsuite_run_started(run_id=record.run_id, spec=record.spec, resumed_from_epoch=0)
    for metrics in record.epochs:
        hook.benchsuite_epoch_finished(run_id=record.run_id, spec=record.spec, metrics=metrics)
    hook.benchsuite_run_finished(record=record, path=store.write(record))


def test_session_leaves_one_finished_run_per_record(hook, store, mirror, make_record, warnings):
    records = [make_record(seed=seed) for seed in (0, 1)]
    start_session(hook, store, records[0].spec)
    for record in records:
        run_through(hook, store, record)
    hook.benchsuite_session_finished(records=records)
    assert sorted(r.info.run_name for r in mirror.runs()) == ["backprop-seed0", "backprop-seed1"]
    assert {r.info.status for r in mirror.runs()} == {"FINISHED"}
    assert warnings == []


def test_run_shows_as_running_and_grows_with_each_due_flush(hook, store, mirror, make_record, make_epoch, clock):
    record = make_record()
    start_session(hook, store, record.spec)
    hook.benchsuite_run_started(run_id=record.run_id, spec=record.spec, resumed_from_epoch=0)

    def finish_epoch(epoch: int) -> list[int]:
        hook.benchsuite_epoch_finished(run_id=record.run_id, spec=record.spec, metrics=make_epoch(epoch))
        (run,) = mirror.runs()
        assert run.info.status == "RUNNING"
        return [m.step for m in mirror.client.get_metric_history(run.info.run_id, "test/error_percent")]

    clock.now = 10
    assert finish_epoch(1) == []
    clock.now = 31
    assert finish_epoch(2) == [1, 2]
    clock.now = 40
    assert finish_epoch(3) == [1, 2]
    clock.now = 62
    hook.benchsuite_diagnostics_measured(run_id=record.run_id, spec=record.spec, values=record.diagnostics[:1])
    assert [run.data.metrics["alignment/credit_angle_deg/dense1"] for run in mirror.runs()] == [90.0]
    hook.benchsuite_run_finished(record=record, path=store.write(record))
    (run,) = mirror.runs()
    assert [m.step for m in mirror.client.get_metric_history(run.info.run_id, "test/error_percent")] == [1, 2, 3]


def test_the_machines_load_is_logged_if_asked_for(hook, store, mirror, make_record, monkeypatch):
    """Catches MLflow's own variable for system metrics that is ignored, and a thread that outlives its run."""
    monkeypatch.setenv("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.01")
    record = make_record()
    start_session(hook, store, record.spec)
    hook.benchsuite_run_started(run_id=record.run_id, spec=record.spec, resumed_from_epoch=0)
    deadline = time.monotonic() + 60
    while "system/cpu_utilization_percentage" not in mirror.runs()[0].data.metrics and time.monotonic() < deadline:
        time.sleep(0.05)
    hook.benchsuite_run_finished(record=record, path=store.write(record))
    (run,) = mirror.runs()
    assert run.info.status == "FINISHED"
    assert {"system/cpu_utilization_percentage", "final/test_error_percent"} <= set(run.data.metrics)
    assert not [thread for thread in threading.enumerate() if thread.name == "SystemMetricsMonitor"]


def test_resumed_run_takes_the_place_of_the_one_that_was_killed(hook, store, mirror, make_record):
    record = make_record(resumed=1)
    mirror.start_live(record.run_id, record.spec)
    hook.benchsuite_session_started(
        runs=[record.spec], context={"store": store.root, "tracking_uri": default_tracking_uri(store.root)}
    )
    hook.benchsuite_run_started(run_id=record.run_id, spec=record.spec, resumed_from_epoch=2)
    hook.benchsuite_epoch_finished(run_id=record.run_id, spec=record.spec, metrics=record.epochs[2])
    hook.benchsuite_run_finished(record=record, path=store.write(record))
    complete = [r for r in mirror.runs() if r.info.status == "FINISHED"]
    assert len(complete) == 1
    assert [m.step for m in mirror.client.get_metric_history(complete[0].info.run_id, "test/error_percent")] == [
        1,
        2,
        3,
    ]
    assert len(mirror.runs()) == 1


def test_session_that_is_cut_short_leaves_its_last_epochs(hook, store, mirror, make_record):
    record = make_record()
    start_session(hook, store, record.spec)
    hook.benchsuite_run_started(run_id=record.run_id, spec=record.spec, resumed_from_epoch=0)
    hook.benchsuite_epoch_finished(run_id=record.run_id, spec=record.spec, metrics=record.epochs[0])
    hook.benchsuite_session_finished(records=[])
    (run,) = mirror.runs()
    assert run.data.metrics["test/error_percent"] == pytest.approx(100 * record.epochs[0].test.error)


def test_server_that_is_down_is_told_once_and_stops_nothing(hook, store, make_record, warnings, closed_port_uri):
    records = [make_record(seed=seed) for seed in (0, 1)]
    start_session(hook, store, records[0].spec, closed_port_uri)
    for record in records:
        run_through(hook, store, record)
    hook.benchsuite_session_finished(records=records)
    assert len(warnings) == 1
    assert "benchsuite sync" in warnings[0]
    assert "127.0.0.1:9" in warnings[0]
    assert "hunter2" not in warnings[0]
    assert [store.find(r.run_id) for r in records] == records


def test_failure_in_the_middle_of_a_run_is_mended_when_it_ends(
    hook, store, mirror, make_record, warnings, clock, monkeypatch
):
    record = make_record()
    start_session(hook, store, record.spec)
    hook.benchsuite_run_started(run_id=record.run_id, spec=record.spec, resumed_from_epoch=0)
    clock.now = 31
    with monkeypatch.context() as patch:
        patch.setattr(Mirror, "log_live", lambda *_, **__: 1 / 0)
        hook.benchsuite_epoch_finished(run_id=record.run_id, spec=record.spec, metrics=record.epochs[0])
    hook.benchsuite_run_finished(record=record, path=store.write(record))
    assert len(warnings) == 1
    (run,) = mirror.runs()
    assert [m.step for m in mirror.client.get_metric_history(run.info.run_id, "test/error_percent")] == [1, 2, 3]


def test_no_tracking_uri_means_no_mirror(hook, store, make_record, warnings):
    record = make_record()
    start_session(hook, store, record.spec, None)
    run_through(hook, store, record)
    assert warnings == []


def test_importing_the_plugin_does_not_import_mlflow_or_torch():
    code = (
        "import sys, benchsuite.records.mlflow.plugin, benchsuite.records.mlflow.ui;"
        "sys.exit(any(m in sys.modules for m in ('mlflow', 'torch', 'sqlalchemy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
