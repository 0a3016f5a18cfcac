"""Oracle: MLflow's own client, asked afterwards what the store holds, against the record that was mirrored."""

from __future__ import annotations

import json
import resource
import shutil
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from benchsuite.records.mlflow.connection import MirrorBusyError, MirrorError, exclusive
from benchsuite.records.mlflow.mirror import Mirror, store_id
from benchsuite.records.mlflow.points import record_points
from benchsuite.records.mlflow.uris import TrackingUri, default_tracking_uri
from benchsuite.records.model import RunRecord


def client_of(store) -> MlflowClient:
    return MlflowClient(default_tracking_uri(store.root))


def history(client: MlflowClient, run) -> dict[str, list[tuple[int, float]]]:
    return {
        key: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics
    }


def expected_history(record: RunRecord) -> dict[str, list[tuple[int, float]]]:
    expected: dict[str, list[tuple[int, float]]] = {}
    for point in record_points(record):
        expected.setdefault(point.key, []).append((point.step, point.value))
    return expected


def artifact(run, name: str) -> Path:
    return Path(unquote(urlsplit(run.info.artifact_uri).path)) / name


def test_mlflow_holds_the_numbers_states_and_files_of_the_record(store, mirror, make_record):
    record = make_record(rule="dfa", seed=2)
    assert mirror.upsert(record) == "created"
    client = client_of(store)
    (run,) = client.search_runs([client.get_experiment_by_name("digits-fc").experiment_id])
    assert history(client, run) == expected_history(record)
    assert (run.info.run_name, run.info.status) == ("dfa-seed2", "FINISHED")
    assert run.info.start_time == record.started_at.timestamp() * 1000
    assert run.info.end_time == record.ended_at.timestamp() * 1000
    assert run.data.params["batch_size"] == "32"
    assert run.data.tags["benchsuite.result_key"] == record.result_key
    assert RunRecord.model_validate_json(artifact(run, "record.json").read_text()) == record
    assert artifact(run, "curves.svg").read_text().startswith("<svg ")
    assert json.loads(artifact(run, "spec.json").read_text()) == record.spec.model_dump(mode="json")
    assert artifact(run, "record.json").is_relative_to(store.root / "mlartifacts")
    assert run.inputs.dataset_inputs[0].dataset.digest == "cd" * 18


def test_mirroring_again_changes_nothing(store, mirror, make_record):
    record = make_record()
    mirror.upsert(record)
    (before,) = mirror.runs()
    assert mirror.upsert(record) == "unchanged"
    (after,) = mirror.runs()
    assert after.info.run_id == before.info.run_id
    assert history(client_of(store), after) == expected_history(record)


def test_changed_record_replaces_its_mirror(store, mirror, make_record):
    mirror.upsert(make_record(status="interrupted", epochs=3, reason="Ctrl-C"))
    old = mirror.runs()[0]
    changed = make_record(epochs=3, result_key="99" * 32)
    assert mirror.upsert(changed) == "replaced"
    (run,) = mirror.runs()
    assert run.info.run_id != old.info.run_id
    assert run.data.tags["benchsuite.result_key"] == "99" * 32
    assert history(client_of(store), run) == expected_history(changed)


def test_half_written_mirror_is_written_anew(mirror, make_record, monkeypatch):
    record = make_record()
    monkeypatch.setattr(mirror.client, "log_text", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(MirrorError, match="no room"):
        mirror.upsert(record)
    monkeypatch.undo()
    assert mirror.upsert(record) == "replaced"
    (run,) = mirror.runs()
    assert artifact(run, "record.json").exists()


def test_more_metrics_than_one_call_takes_all_arrive(store, mirror, make_record):
    record = make_record(epochs=150)
    assert len(list(record_points(record))) > 1500
    mirror.upsert(record)
    assert history(client_of(store), mirror.runs()[0]) == expected_history(record)


def test_runs_of_one_track_are_flat_in_one_experiment(store, mirror, make_record):
    for rule, seed in (("backprop", 0), ("backprop", 1), ("dfa", 0)):
        mirror.upsert(make_record(rule=rule, seed=seed))
    mirror.upsert(make_record(track="mnist-fc"))
    assert [e.name for e in client_of(store).search_experiments()] == ["mnist-fc", "digits-fc"]
    runs = mirror.runs("digits-fc")
    assert {r.info.run_name for r in runs} == {"backprop-seed0", "backprop-seed1", "dfa-seed0"}
    assert not any("mlflow.parentRunId" in r.data.tags for r in runs)


def test_two_stores_on_one_server_keep_their_own_run_of_equal_id(store, mirror, make_record, tmp_path):
    other = Mirror.open(default_tracking_uri(store.root), tmp_path / "other")
    mirror.upsert(make_record())
    other.upsert(make_record(reason="another machine"))
    assert mirror.upsert(make_record()) == "unchanged"
    assert len(mirror.runs()) == len(other.runs()) == 1


def test_track_deleted_in_the_pages_comes_back(store, mirror, make_record):
    mirror.upsert(make_record())
    client = client_of(store)
    client.delete_experiment(client.get_experiment_by_name("digits-fc").experiment_id)
    mirror.upsert(make_record(seed=1))
    assert client.get_experiment_by_name("digits-fc").lifecycle_stage == "active"


def test_moved_folder_writes_its_artifacts_where_it_is_now(store, mirror, make_record, tmp_path):
    mirror.upsert(make_record())
    moved = tmp_path / "moved"
    shutil.move(store.root, moved)
    again = Mirror.open(default_tracking_uri(moved), moved)
    again.upsert(make_record())
    (run,) = again.runs("digits-fc")
    assert artifact(run, "record.json").is_relative_to(moved)
    assert not store.root.exists()


def test_store_identity_survives(tmp_path):
    assert store_id(tmp_path) == store_id(tmp_path) != store_id(tmp_path / "other")


def test_closed_port_is_given_up_within_ten_seconds_without_its_password(store, closed_port_uri):
    began = time.monotonic()
    with pytest.raises(MirrorError) as raised:
        Mirror.open(closed_port_uri, store.root)
    assert time.monotonic() - began < 10
    assert "127.0.0.1:9" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_server_that_dies_later_is_given_up_within_ten_seconds(store, make_record, closed_port_uri, monkeypatch):
    monkeypatch.setattr("benchsuite.records.mlflow.connection._try_endpoint", lambda _: None)
    began = time.monotonic()
    mirror = Mirror(MlflowClient(closed_port_uri), TrackingUri(closed_port_uri), store.root)
    with pytest.raises(MirrorError) as raised:
        mirror.upsert(make_record())
    assert time.monotonic() - began < 10
    assert "hunter2" not in str(raised.value)


def test_database_that_is_none_is_given_up_within_ten_seconds(tmp_path):
    (tmp_path / "mlflow.db").mkdir()
    began = time.monotonic()
    with pytest.raises(MirrorError, match="cannot open sqlite"):
        Mirror.open(default_tracking_uri(tmp_path), tmp_path)
    assert time.monotonic() - began < 10


def test_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MirrorError, match="cannot lock"):
        Mirror.open(default_tracking_uri(tmp_path / "file" / "store"), tmp_path / "file" / "store")


def test_full_disk_costs_the_mirror_only_and_is_mended_later(store, mirror, make_record):
    record = make_record(epochs=60)
    path = store.write(record)
    written = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow beyond what the database has now; SQLite meets what a full disk gives.
    resource.setrlimit(resource.RLIMIT_FSIZE, ((store.root / "mlflow.db").stat().st_size, hard))
    try:
        with pytest.raises(MirrorError):
            mirror.upsert(record)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == written
    mirror.upsert(record)
    assert history(client_of(store), mirror.runs()[0]) == expected_history(record)


def test_lock_held_by_another_process_is_told_as_busy(mirror, make_spec):
    with exclusive(mirror.uri), pytest.raises(MirrorBusyError), exclusive(mirror.uri, timeout_s=0.1):
        pass


def test_deleted_runs_are_deleted_softly(store, mirror, make_record):
    mirror.upsert(make_record())
    mirror.upsert(make_record(resumed=1))
    client = client_of(store)
    ids = [client.get_experiment_by_name("digits-fc").experiment_id]
    assert len(client.search_runs(ids, run_view_type=ViewType.DELETED_ONLY)) == 1


def test_empty_address_is_refused_and_no_database_appears_where_one_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MirrorError, match="no address"):
        Mirror.open("", tmp_path)
    assert list(tmp_path.iterdir()) == []
