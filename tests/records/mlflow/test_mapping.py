"""Oracle: the record itself. Every defined number of it becomes one metric, and MLflow's documented limits hold."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from benchsuite.records.mlflow.mapping import (
    mirror_digest,
    mlflow_status,
    record_params,
    record_tags,
    run_name,
    spec_params,
)
from benchsuite.records.mlflow.points import epoch_points, record_points
from benchsuite.records.mlflow.uris import TrackingUri, redact
from benchsuite.records.model import RunStatus, StepDiagnosticValue


def test_every_defined_number_becomes_one_metric_at_its_epoch(make_record):
    points = list(record_points(make_record(epochs=3)))
    curves = {key: sorted(p.step for p in points if p.key == key) for key in {p.key for p in points}}
    assert curves["test/error_percent"] == curves["train/loss"] == curves["running/loss"] == [1, 2, 3]
    assert curves["alignment/credit_angle_deg/dense1"] == curves["alignment/credit_angle_deg/network"] == [0, 1, 2, 3]
    assert next(p.value for p in points if p.key == "test/error_percent" and p.step == 3) == pytest.approx(10)
    assert len({p.key_and_step for p in points}) == len(points)


def test_results_and_costs_are_metrics_at_step_zero_alone(make_record):
    """Catches single dots in place of bars, and a result of a run that has none."""
    finals = {p.key: (p.step, p.value) for p in record_points(make_record(epochs=3)) if p.key.startswith("final/")}
    assert {step for step, _ in finals.values()} == {0}
    assert finals["final/test_error_percent"][1] == pytest.approx(10)
    assert finals["final/train_time_s"] == (0, 6.0)
    stopped = {p.key for p in record_points(make_record(epochs=3, status="diverged"))}
    assert "final/train_time_s" in stopped
    assert "final/test_error_percent" not in stopped


@pytest.mark.parametrize(("classes", "is_there"), [(10, False), (1000, True)])
def test_top5_errors_are_there_for_many_classes_alone(make_record, classes, is_there):
    """Catches a metric that is next to zero for ten classes, and one that is missing on ImageNet."""
    record = make_record(epochs=1)
    record = record.model_copy(update={"data": record.data.model_copy(update={"classes": classes})})
    keys = {p.key for p in record_points(record)}
    assert ("test/top5_error_percent" in keys, "final/test_top5_error_percent" in keys) == (is_there, is_there)
    assert not any("top5" in p.key for p in epoch_points(record.epochs[0], 0))


def test_numbers_between_steps_become_metrics_of_their_own_at_the_step(make_record):
    between = [
        StepDiagnosticValue(diagnostic="a_deg", segment=None, step=s, value=v) for s, v in ((40, 3.0), (80, None))
    ]
    record = make_record(epochs=3).model_copy(update={"step_diagnostics": tuple(between)})
    found = [(p.key, p.step, p.value) for p in record_points(record) if p.key.startswith("alignment_by_step")]
    assert found == [("alignment_by_step/a_deg/network", 40, 3.0)]


def test_undefined_numbers_are_left_out_and_not_made_up(make_record):
    keys = {p.key for p in record_points(make_record())}
    assert "alignment/credit_angle_deg/readout" not in keys
    assert "final/peak_memory_mib" not in keys


def test_timestamps_lie_within_the_run_and_never_go_back(make_record):
    record = make_record(epochs=5)
    stamps = [p.timestamp_ms for p in record_points(record) if p.key == "test/error_percent"]
    assert stamps == sorted(stamps)
    assert record.started_at.timestamp() * 1000 <= stamps[0] <= stamps[-1] <= record.ended_at.timestamp() * 1000


def test_run_without_epochs_still_has_its_costs(make_record):
    points = list(record_points(_crashed(make_record)))
    assert {p.key for p in points} >= {"final/train_time_s", "final/setup_time_s"}
    assert {p.step for p in points} == {0}


def _crashed(make_record):
    return make_record().model_copy(update={"epochs": (), "diagnostics": (), "status": "crashed", "data": None})


def test_keys_hold_only_what_mlflow_accepts(make_record):
    record = make_record()
    odd = record.diagnostics[0].model_copy(update={"segment": "block(1)→relu/../x"})
    keys = [p.key for p in record_points(record.model_copy(update={"diagnostics": (odd,)}))]
    # mlflow.utils.validation: these characters only, and a path that is its own normal form
    assert all(re.fullmatch(r"[/\w.\- :]+", key, re.ASCII) and "/../" not in key for key in keys)


def test_every_status_has_one_of_mlflows_and_only_completed_is_finished(make_record):
    mapped = {status: mlflow_status(make_record(status=status)) for status in get_args(RunStatus)}
    assert [s for s, m in mapped.items() if m == "FINISHED"] == ["completed"]
    assert [s for s, m in mapped.items() if m == "KILLED"] == ["interrupted"]
    assert set(mapped.values()) == {"FINISHED", "KILLED", "FAILED"}


def test_params_are_short_and_flat(make_spec):
    params = spec_params(make_spec())
    assert params["learning_rate"] == "0.1"
    assert params["optimizer"] == "sgd"
    assert params["rule.scale"] == "0.5"
    assert len(params["rule.note"]) == 500
    assert max(map(len, params.values())) <= 500
    assert (params["schedule"], params["regulariser"], params["world_size"]) == ("constant", "none", "1")


def test_sizes_of_network_and_data_are_params_of_a_finished_run(make_record):
    """Catches sizes that are missing, and more params than MLflow takes in one call."""
    config = {f"field{number:03}": number for number in range(90)}
    record = make_record()
    rule = record.spec.rule.model_copy(update={"config": config})
    params = record_params(record.model_copy(update={"spec": record.spec.model_copy(update={"rule": rule})}))
    assert (params["threads"], params["train_examples"], params["classes"]) == ("2", "1437", "10")
    assert len(params) <= 100
    crashed = record_params(_crashed(make_record))
    assert "train_examples" not in crashed


def test_tags_say_where_the_numbers_come_from(make_record):
    record = make_record(rule="dfa", seed=4, status="diverged", reason="loss was not finite in epoch 3")
    tags = record_tags(record)
    expected = {
        "run_id": record.run_id,
        "spec_hash": record.spec_hash,
        "result_key": record.result_key,
        "rule": "dfa",
        "rule_source_hash": "ef" * 32,
        "seed": "4",
        "tier": "smoke",
        "git_commit": "f" * 40,
        "git_dirty": "false",
        "fingerprint": "cd" * 32,
        "canonical": "true",
        "status": "diverged",
        "hardware_class": "cpu-2",
        "reason": "loss was not finite in epoch 3",
        "track": "digits-fc",
        "torch": "2.11",
    }
    assert {key: tags[f"benchsuite.{key}"] for key in expected} == expected
    assert run_name(record.spec) == "dfa-seed4"


def test_the_runs_of_a_variant_are_a_group_of_their_own(make_record):
    """Catches two variants of one rule averaged where MLflow groups runs by rule."""
    record = make_record(rule="dfa", seed=4)
    named = record.spec.rule.model_copy(update={"title": "DFA, ε = 0.1"})
    spec = record.spec.model_copy(update={"rule": named})
    assert run_name(spec) == "DFA, ε = 0.1-seed4"
    assert spec_params(spec)["rule"] == "DFA, ε = 0.1"
    tags = record_tags(record.model_copy(update={"spec": spec}))
    assert (tags["benchsuite.rule"], tags["benchsuite.variant_of"]) == ("DFA, ε = 0.1", "dfa")
    assert "benchsuite.variant_of" not in record_tags(record)


def test_long_reason_is_cut(make_record):
    tags = record_tags(make_record(status="crashed", reason="r" * 50_000))
    assert len(tags["benchsuite.reason"]) <= 1000


def test_password_in_a_command_or_reason_does_not_reach_a_tag(make_record):
    uri = "postgresql://ann:s3cr/et@db.lab/mlflow?password=hunter2"
    tags = record_tags(
        make_record(status="crashed", reason=f"lost {uri}", command=f"benchsuite run --tracking-uri {uri}")
    )
    assert not any(secret in value for value in tags.values() for secret in ("s3cr", "hunter2", "ann:"))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("https://ann:pw@mlflow.lab:5000/x", "https://***@mlflow.lab:5000/x"),
        ("postgresql+psycopg://ann:p/w@db/x?sslmode=require", "postgresql+psycopg://***@db/x?sslmode=require"),
        ("mysql://db/x?password=pw&a=1", "mysql://db/x?password=***&a=1"),
        ("sqlite:////home/a/mlflow.db", "sqlite:////home/a/mlflow.db"),
    ],
)
def test_addresses_are_shown_without_secrets(raw, shown):
    assert redact(raw) == str(TrackingUri(raw)) == shown
    assert shown in repr(TrackingUri(raw))


def test_digest_changes_with_any_content(make_record):
    record = make_record()
    assert mirror_digest(record) == mirror_digest(make_record())
    assert mirror_digest(record) != mirror_digest(record.model_copy(update={"resumed": 1}))
