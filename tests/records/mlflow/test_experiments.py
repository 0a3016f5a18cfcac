"""Oracle: MLflow's own client, asked for the tags that its pages read; the meaning of Markdown."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import pytest

from benchsuite.records.mlflow.labels import KnownLabels, RuleLabel, TrackLabel
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.notes import linked, plain, run_note
from benchsuite.records.mlflow.sync import sync
from benchsuite.records.mlflow.uris import default_tracking_uri
from benchsuite.records.mlflow.views import results_view, spread
from benchsuite.records.model import NetworkUsed

NETWORK = NetworkUsed(parameters=10, feedback_parameters=0, segments=("dense1", "readout"), taken_over=())


@pytest.fixture
def labelled(store):
    labels = KnownLabels(
        {"digits-fc": TrackLabel("Digits, dense", "A small network.", "arXiv:1609.01596, Table 1")},
        {"backprop": RuleLabel("#123456", "Rumelhart 1986")},
    )
    return Mirror.open(default_tracking_uri(store.root), store.root, labels)


def experiment_of(mirror: Mirror):
    return mirror.client.get_experiment_by_name("digits-fc")


def state_of(value: str) -> dict:
    packed = json.loads(value)["state"].removeprefix("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def charts(value: str) -> list[tuple[str, str, str]]:
    state = state_of(value)
    return [(chart["metricSectionId"], chart["type"], chart["metricKey"]) for chart in state["compareRunCharts"]]


def test_a_run_says_what_it_is_and_its_experiment_what_the_track_is(labelled, make_record):
    """Catches pages without a word, a rule without its colour, and a description that a person's is replaced by."""
    record = make_record(network=NETWORK)
    labelled.upsert(record)
    (run,) = labelled.runs()
    assert run.data.tags["mlflow.runColor"] == "#123456"
    note = run.data.tags["mlflow.note.content"]
    assert all(part in note for part in ("**10.00 %**", "Rumelhart 1986", record.command, f"{record.run_id}.html"))
    tags = experiment_of(labelled).tags
    assert tags["benchsuite.title"] == "Digits, dense"
    assert "[arXiv:1609.01596](https://arxiv.org/abs/1609.01596)" in tags["mlflow.note.content"]
    assert "/benchsuite/board/tracks/digits-fc.html" in tags["mlflow.note.content"].splitlines()[0]
    (used,) = run.inputs.dataset_inputs
    assert json.loads(used.dataset.profile)["train_examples"] == record.data.train_examples
    assert used.tags[0].value == "training and test"
    labelled.client.set_experiment_tag(experiment_of(labelled).experiment_id, "mlflow.note.content", "mine")
    labelled.upsert(make_record(seed=1))
    assert experiment_of(labelled).tags["mlflow.note.content"] == "mine"


def test_a_view_shows_results_then_curves_then_alignment_by_rule(labelled, make_record):
    """Catches a default page without a number, means over several tiers, and charts of the network that never come."""
    record = make_record(network=NETWORK)
    labelled.start_live(record.run_id, record.spec)
    key = "mlflow.sharedViewState.benchsuite-smoke"
    assert ("Alignment", "LINE", "alignment/credit_angle_deg/dense1") not in charts(experiment_of(labelled).tags[key])
    labelled.upsert(record)
    value = experiment_of(labelled).tags[key]
    found = charts(value)
    assert found[0] == ("Results", "BAR", "final/test_error_percent")
    assert list(dict.fromkeys(section for section, _, _ in found)) == ["Results", "Curves", "Alignment"]
    assert ("Alignment", "LINE", "alignment/credit_angle_deg/dense1") in found
    state = state_of(value)
    assert state["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "rule"}]
    assert "`tier` = 'smoke'" in state["searchFilter"]
    assert state["selectedColumns"][:3] == ["params.`rule`", "params.`seed`", "metrics.`final/test_error_percent`"]


def test_what_is_as_it_should_be_costs_no_request(labelled, make_record, monkeypatch):
    """Catches a mirror that writes the same description and view again for every run."""
    record = make_record(network=NETWORK)
    labelled.upsert(record)
    monkeypatch.setattr(labelled.client, "set_experiment_tag", lambda *_: pytest.fail("nothing has changed"))
    labelled.upsert(make_record(seed=1, network=NETWORK))
    labelled.start_live("ab", make_record(seed=2).spec)


def test_a_view_of_a_deep_network_stays_small():
    """Catches hundreds of charts, and a tag longer than MLflow takes."""
    segments = [f"block{number}.conv" for number in range(54)]
    assert (spread(segments)[0], spread(segments)[-1], len(spread(segments))) == (segments[0], segments[-1], 6)
    ((_, value),) = results_view("paper", [f"diagnostic_{number}" for number in range(12)], segments).items()
    assert len(value) < 20_000
    assert len([chart for chart in charts(value) if chart[0] == "Alignment"]) == 7


def test_a_failed_run_brings_its_log(mirror, make_record):
    """Catches a crash that MLflow shows without its reason; and secrets in the log."""
    reason = "lost postgresql://ann:hunter2@db/x"
    mirror.upsert(make_record(status="crashed", reason=reason, traceback="Traceback: boom"))
    mirror.upsert(make_record(seed=1))
    crashed, completed = sorted(mirror.runs(), key=lambda run: run.info.run_name)
    text = Path(mirror.client.download_artifacts(crashed.info.run_id, "log.txt")).read_text()
    assert "boom" in text
    assert "hunter2" not in text
    assert "log.txt" not in [file.path for file in mirror.client.list_artifacts(completed.info.run_id)]
    assert "crashed" in crashed.data.tags["mlflow.note.content"]


def test_texts_of_records_are_no_markup(make_record):
    """Catches a rule's name or a reason that becomes a link or an image in MLflow's pages."""
    assert plain("[x](javascript:1) <img>") == r"\[x\](javascript:1) \<img\>"
    assert linked("see arXiv:2606.21126v2") == "see [arXiv:2606.21126v2](https://arxiv.org/abs/2606.21126)"
    note = run_note(make_record(status="diverged", reason="![](http://x/)"), None, with_board=False)
    assert "![](" not in note
    assert "board" not in note


def test_mlflows_own_empty_experiment_is_hidden_unless_it_is_used(store, mirror, make_record):
    """Catches clutter in stores of today, and an experiment of a person's that disappears."""
    store.write(make_record())
    uri = default_tracking_uri(store.root)
    mirror.client.restore_experiment("0")
    run = mirror.client.create_run("0")
    sync(store, uri)
    assert mirror.client.get_experiment("0").lifecycle_stage == "active"
    mirror.client.delete_run(run.info.run_id)
    sync(store, uri)
    assert mirror.client.get_experiment("0").lifecycle_stage == "deleted"
