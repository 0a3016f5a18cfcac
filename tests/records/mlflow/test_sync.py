"""Oracle: what a person who looks at both folders would say is missing, stale or alive."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time

import pytest

from benchsuite.records.mlflow.connection import MirrorError
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.points import epoch_points
from benchsuite.records.mlflow.sync import reconcile, sync
from benchsuite.records.mlflow.uris import default_tracking_uri
from benchsuite.records.running import alive_run_ids, process_started_at


def mark(store, run_id: str, **changes) -> None:
    fields = {
        "run_id": run_id,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "process_started_at": process_started_at(os.getpid()),
        "started_at": "2026-05-01T12:00:00Z",
    }
    (store.running_folder / f"{run_id}.json").write_text(json.dumps(fields | changes))


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_sync_mirrors_what_is_missing_and_then_has_nothing_to_do(store, mirror, make_record):
    records = [make_record(rule=rule, seed=seed) for rule in ("backprop", "dfa") for seed in (0, 1)]
    for record in records:
        store.write(record)
    mirror.upsert(records[0])
    (store.records_folder / "broken.json").write_text("{")
    seen = []
    uri = default_tracking_uri(store.root)
    first = sync(store, uri, lambda done, total, record: seen.append((done, total, record.run_id)))
    assert (first.mirrored, first.unchanged, first.complete, len(first.broken)) == (3, 1, True, 1)
    assert len(seen) == 4
    assert all(total == 5 for _, total, _ in seen)
    second = sync(store, uri)
    assert (second.mirrored, second.unchanged) == (0, 4)
    assert sorted(r.data.tags["benchsuite.run_id"] for r in mirror.runs()) == sorted(r.run_id for r in records)


def test_sync_replaces_what_is_not_faithful_any_more(store, mirror, make_record):
    mirror.upsert(make_record())
    store.write(make_record(result_key="77" * 32))
    assert sync(store, default_tracking_uri(store.root)).mirrored == 1
    assert [r.data.tags["benchsuite.result_key"] for r in mirror.runs()] == ["77" * 32]


def test_sync_with_a_store_that_is_down_says_so_and_leaves_the_records(store, make_record, closed_port_uri):
    path = store.write(make_record())
    before = path.read_bytes()
    with pytest.raises(MirrorError, match=r"127\.0\.0\.1:9"):
        sync(store, closed_port_uri)
    assert path.read_bytes() == before


def test_sync_stops_trying_a_store_that_fails_again_and_again(store, make_record, monkeypatch):
    for seed in range(6):
        store.write(make_record(seed=seed))

    def fail(self, record, live=None):
        raise MirrorError("gone")

    monkeypatch.setattr(Mirror, "upsert", fail)
    report = sync(store, default_tracking_uri(store.root))
    assert (len(report.failed), report.not_tried, report.complete) == (3, 3, False)


def test_killed_run_without_a_record_becomes_interrupted(store, mirror, make_spec, dead_pid):
    mirror.start_live("aa", make_spec())
    mark(store, "aa", pid=dead_pid)
    assert reconcile(mirror, store) == 1
    (run,) = mirror.runs()
    assert (run.info.status, run.data.tags["benchsuite.status"]) == ("KILLED", "interrupted")
    assert reconcile(mirror, store) == 0


def test_killed_run_with_a_record_is_finished_from_it(store, mirror, make_record):
    record = make_record()
    mirror.start_live(record.run_id, record.spec)
    store.write(record)
    assert reconcile(mirror, store) == 1
    (run,) = mirror.runs()
    assert run.info.status == "FINISHED"


def test_run_of_a_live_process_is_left_alone(store, mirror, make_record):
    record = make_record()
    live = mirror.start_live(record.run_id, record.spec)
    mark(store, record.run_id)
    store.write(record)  # of an earlier time: it is being made again
    report = sync(store, default_tracking_uri(store.root))
    assert (report.running, report.reconciled, report.mirrored) == (1, 0, 0)
    (run,) = mirror.runs()
    assert (run.info.run_id, run.info.status) == (live.mlflow_run_id, "RUNNING")


def test_markers_are_alive_unless_their_process_is_known_to_be_gone(store, dead_pid):
    """Of versions that held no locks."""
    mark(store, "aa")
    mark(store, "ab", process_started_at=None)
    mark(store, "ac", host="another-host", pid=dead_pid)
    mark(store, "ba", pid=dead_pid)
    mark(store, "bb", process_started_at=time.time() - 1e6)  # the process id was given to another process
    mark(store, "bc", locked=True)  # the process is there, but has given its lock back
    (store.running_folder / "bd.json").write_text("not a marker")
    assert alive_run_ids(store.running_folder) == {"aa", "ab", "ac"}


def test_process_start_is_now_for_a_new_process():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert abs(process_started_at(process.pid) - time.time()) < 3
    finally:
        process.communicate(b"\n")
    assert process_started_at(process.pid) is None


def test_live_run_completed_from_its_record_has_each_number_once(store, mirror, make_record, make_epoch):
    record = make_record(epochs=4)
    live = mirror.start_live(record.run_id, record.spec)
    mirror.log_live(live, epoch_points(make_epoch(1), 1_700_000_000_000))
    mirror.log_live(live, epoch_points(make_epoch(1), 1_700_000_000_999))
    mirror.upsert(record, live)
    (run,) = mirror.runs()
    assert run.info.run_id == live.mlflow_run_id
    curve = mirror.client.get_metric_history(run.info.run_id, "test/error_percent")
    assert [m.step for m in curve] == [1, 2, 3, 4]
