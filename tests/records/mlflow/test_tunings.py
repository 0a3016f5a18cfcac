"""Oracle: a tuning's record, and what MLflow holds of it."""

from __future__ import annotations

import logging

import pytest

from benchsuite.errors import MirrorError
from benchsuite.records.mlflow.gathering import gather_records
from benchsuite.records.mlflow.mapping import PARENT_TAG
from benchsuite.records.mlflow.sync import reconcile, sync
from benchsuite.records.mlflow.tunings import TRIAL_TAG, TUNING_DIGEST_TAG, mirror_tunings, upsert_tuning
from benchsuite.records.mlflow.uris import default_tracking_uri
from tests.factories import make_tuning


def parts(mirror):
    """Return the runs of tunings and of trials in MLflow, those of a trial in the order of numbers."""
    runs = mirror.runs()
    trials = [run for run in runs if TRIAL_TAG in run.data.tags]
    return [run for run in runs if TRIAL_TAG not in run.data.tags], sorted(
        trials, key=lambda run: int(run.data.tags[TRIAL_TAG])
    )


def test_a_tuning_is_a_run_with_a_run_per_trial(mirror):
    """Catches a diverged trial that is left out, looks completed, or has an error; and trials without their parent."""
    record = make_tuning("fa", (0.3, 0.1, None), searched={"scale": (0.1, 10)})
    assert upsert_tuning(mirror, record) == "created"
    (parent,), trials = parts(mirror)
    assert parent.data.metrics["validation/best_error_percent"] == pytest.approx(10)
    assert parent.data.params["best.scale"] == str(record.best.settings["rule.config.scale"])
    assert (parent.info.status, parent.data.params["budget.trials"]) == ("FINISHED", "3")
    assert [run.data.metrics.get("validation/error_percent") for run in trials] == [
        pytest.approx(30),
        pytest.approx(10),
        None,
    ]
    assert [run.info.status for run in trials] == ["FINISHED", "FINISHED", "FAILED"]
    assert {run.data.tags[PARENT_TAG] for run in trials} == {parent.info.run_id}
    wanted = [str(trial.settings["protocol.optimizer.learning_rate"]) for trial in record.trials]
    assert [run.data.params["learning_rate"] for run in trials] == wanted
    assert upsert_tuning(mirror, record) == "unchanged"


def test_a_changed_tuning_replaces_the_earlier_one_and_its_trials(mirror):
    """Catches trials of an earlier record that stay beside the new ones."""
    upsert_tuning(mirror, make_tuning(errors=(0.3, 0.1)))
    assert upsert_tuning(mirror, make_tuning(errors=(0.2, 0.1))) == "replaced"
    parents, trials = parts(mirror)
    assert (len(parents), [run.data.metrics["validation/error_percent"] for run in trials]) == (1, [20, 10])


def test_sync_makes_the_mirror_of_tunings_and_mends_half_a_mirror(store, mirror):
    """Catches a tuning that was made while MLflow was down and never comes, and half a mirror that counts as whole."""
    record = make_tuning(errors=(0.3, 0.1))
    store.write_tuning(record)
    uri = default_tracking_uri(store.root)
    assert (sync(store, uri).mirrored, sync(store, uri).unchanged) == (1, 1)
    (parent,), _ = parts(mirror)
    mirror.client.delete_tag(parent.info.run_id, TUNING_DIGEST_TAG)
    assert sync(store, uri).mirrored == 1
    parents, trials = parts(mirror)
    assert (len(parents), len(trials)) == (1, 2)
    assert parents[0].info.run_id != parent.info.run_id


def test_tunings_are_no_runs_for_what_reads_the_mirror(store, mirror, tmp_path):
    """Catches a record that cannot be gathered, and the run of a tuning in progress that is closed as killed."""
    upsert_tuning(mirror, make_tuning(errors=(0.3, 0.1)))
    assert gather_records(default_tracking_uri(store.root), tmp_path / "gathered") == ([], [])
    (parent,), _ = parts(mirror)
    mirror.client.update_run(parent.info.run_id, status="RUNNING")
    assert reconcile(mirror, store) == 0


def test_a_mirror_that_fails_costs_a_warning(store, monkeypatch, caplog):
    """Catches a tuning that ends with an error, and a password in a warning."""
    monkeypatch.setattr(
        "benchsuite.records.mlflow.tunings.Mirror.open",
        lambda *_: (_ for _ in ()).throw(MirrorError("cannot open http://me:secret@host")),
    )
    with caplog.at_level(logging.WARNING, logger="benchsuite.records.mlflow"):
        mirror_tunings([make_tuning()], "http://me:secret@host", store.root)
    (message,) = caplog.messages
    assert "benchsuite sync" in message
    assert "secret" not in message
