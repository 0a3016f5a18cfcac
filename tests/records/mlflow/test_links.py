"""Oracle: MLflow's own names of runs, in a real tracking store."""

from __future__ import annotations

from benchsuite.records.mlflow.links import mlflow_pages
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.uris import default_tracking_uri


def test_each_mirrored_run_leads_to_its_page(store, mirror, make_record, tmp_path):
    """Catches links to another folder's run of the same id, and a slash too many."""
    records = [make_record(seed=seed, track=track) for seed, track in ((0, "digits-fc"), (1, "digits-conv"))]
    uri = default_tracking_uri(store.root)
    for record in records:
        mirror.upsert(record)
    Mirror.open(uri, tmp_path / "another store").upsert(records[0])
    pages = mlflow_pages(uri, store.root, "http://127.0.0.1:5000/")
    runs = {run.data.tags["benchsuite.run_id"]: run.info for run in mirror.runs()}
    assert set(runs) == {record.run_id for record in records}
    assert pages == {
        name: f"http://127.0.0.1:5000/?from=benchsuite#/experiments/{info.experiment_id}/runs/{info.run_id}"
        "?workflowType=machine_learning"
        for name, info in runs.items()
    }
