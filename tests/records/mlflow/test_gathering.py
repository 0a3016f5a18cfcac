"""Oracle: the records that were mirrored, from a real tracking store, and nothing that is not one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchsuite.records.mlflow import gathering
from benchsuite.records.mlflow.connection import MirrorError
from benchsuite.records.mlflow.gathering import gather_records
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.uris import default_tracking_uri
from benchsuite.records.reading import MAX_RECORD_BYTES, read_record
from benchsuite.records.store import RecordStore


@pytest.fixture
def uri(store: RecordStore) -> str:
    return default_tracking_uri(store.root)


def test_all_that_was_mirrored_comes_back_the_same(uri, store, mirror, make_record, make_spec, tmp_path, monkeypatch):
    """Of every folder that was mirrored there; not of runs that are being made; more than one page."""
    monkeypatch.setattr(gathering, "PAGE_SIZE", 2)
    records = [make_record(seed=seed, track=track) for track in ("digits-fc", "digits-conv") for seed in range(3)]
    for record in records[:4]:
        mirror.upsert(record)
    for record in records[4:]:
        Mirror.open(uri, tmp_path / "another store").upsert(record)
    mirror.start_live("ab" * 8, make_spec(seed=9))
    files, refused = gather_records(uri, tmp_path / "here")
    assert refused == []
    assert sorted(path.stem for path in files) == sorted(record.run_id for record in records)
    found = {path.stem: read_record(path) for path in files}
    assert found == {record.run_id: record for record in records}


def test_what_is_no_record_is_told_and_the_rest_comes(uri, store, mirror, make_record, tmp_path, monkeypatch):
    records = [make_record(seed=seed) for seed in range(4)]
    for record in records:
        mirror.upsert(record)
    folders = {
        r.data.tags["benchsuite.run_id"]: Path(r.info.artifact_uri.removeprefix("file://")) for r in mirror.runs()
    }
    texts = [folders[record.run_id] / "record.json" for record in records]
    texts[0].write_text("{}")
    texts[1].unlink()
    # As large as none is; it takes no room on the disk.
    with texts[2].open("r+b") as stream:
        stream.truncate(MAX_RECORD_BYTES + 1)
    files, refused = gather_records(uri, tmp_path / "here")
    assert [path.name for path in files] == [f"{records[3].run_id}.json"]
    reasons = sorted(broken.reason for broken in refused)
    assert len(reasons) == 3
    assert "it is not there" in reasons
    assert any("at most" in reason for reason in reasons)
    assert len(list((tmp_path / "here").iterdir())) == 2, "what is not there or too large is not fetched"
    assert all("record.json of MLflow's run" in str(broken.path) for broken in refused)


def test_a_store_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(MirrorError, match="there is no database"):
        gather_records(f"sqlite:///{tmp_path / 'none.db'}", tmp_path / "here")
    assert not (tmp_path / "none.db").exists()
