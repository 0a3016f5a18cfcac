"""Oracle: a study's record, and what MLflow holds of it."""

from __future__ import annotations

from pathlib import Path

from benchsuite.records.mlflow.studies import STUDY_DIGEST_TAG, upsert_study
from benchsuite.records.mlflow.sync import reconcile, sync
from benchsuite.records.mlflow.uris import default_tracking_uri
from benchsuite.records.study import StudyRecord
from tests.factories import make_study


def test_a_study_is_one_run_with_its_record(store, mirror):
    """Catches a study that never comes, comes twice, or counts as whole when half of it is there."""
    record = make_study(title="A <study>")
    store.write_study(record)
    uri = default_tracking_uri(store.root)
    assert (sync(store, uri).mirrored, sync(store, uri).unchanged) == (1, 1)
    (run,) = mirror.runs("studies")
    assert (run.info.status, run.data.params["study"]) == ("FINISHED", record.spec.name)
    assert run.data.metrics == {"final/wall_time_s": record.wall_time_s}
    assert r"A \<study\>" in run.data.tags["mlflow.note.content"]
    file = Path(mirror.client.download_artifacts(run.info.run_id, "study.json"))
    assert StudyRecord.model_validate_json(file.read_text()) == record
    mirror.client.delete_tag(run.info.run_id, STUDY_DIGEST_TAG)
    assert upsert_study(mirror, record) == "replaced"
    assert len(mirror.runs("studies")) == 1
    assert reconcile(mirror, store) == 0
