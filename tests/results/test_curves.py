"""Oracle: sums by hand, and the axes that a reader may choose."""

from __future__ import annotations

import pytest

from benchsuite.records.model import StepDiagnosticValue
from benchsuite.results.curves import diagnostic_curves
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.charts.learning import learning_curves


def slowed(record, seconds):
    epochs = tuple(e.model_copy(update={"train_time_s": t}) for e, t in zip(record.epochs, seconds, strict=True))
    return record.model_copy(update={"epochs": epochs})


def test_training_time_adds_up_over_epochs_and_is_the_mean_over_seeds(make_record):
    runs = [slowed(make_record("backprop", 0, 0.1), [1, 2, 3]), slowed(make_record("backprop", 1, 0.1), [3, 2, 1])]
    (table,) = summarize(runs)
    assert [p.time_s for p in table.rows[0].curve] == [2, 4, 6]


def test_curves_may_be_drawn_against_images_and_each_hardware_class_by_itself(make_seeds):
    records = [*make_seeds("backprop", [0.1, 0.1]), *make_seeds("fa", [0.1, 0.1], hardware_class="gpu")]
    (table,) = summarize(records)
    axes = {a["label"]: a for a in learning_curves(table, 1000).spec["usermeta"]["axes"]}
    assert list(axes) == ["epochs", "images seen", "training time, cpu-8-core", "training time, gpu"]
    assert axes["images seen"]["transform"] == [{"calculate": "datum.e * 1437", "as": "images"}]
    assert "datum.c === 1" in axes["training time, gpu"]["transform"][0]["filter"]


def test_what_tells_classes_apart_is_not_the_bands_upper_end(make_seeds):
    """Both were once called h: every band then reached down to the class's number."""
    (table,) = summarize(make_seeds("backprop", [0.1, 0.3]))
    spec = learning_curves(table, 1000).spec
    (looked_up,) = spec["layer"][0]["transform"]
    assert not set(looked_up["from"]["fields"]) & set(spec["data"]["values"][0])
    assert spec["data"]["values"][-1]["h"] == pytest.approx(30)


def test_what_was_measured_between_steps_lies_between_epochs(make_record, make_angles):
    record = make_record("feedback_alignment", 0, 0.1, diagnostics=make_angles(0, 3))
    steps = record.spec.protocol.steps_per_epoch(record.data.train_examples)
    assert steps > 2
    between = tuple(
        StepDiagnosticValue(diagnostic="credit_angle_deg", segment="dense1", step=step, value=value)
        for step, value in ((1, 7.0), (steps + 1, None))
    )
    before = {d.epoch for d in record.diagnostics if d.segment == "dense1" and d.value is not None}
    (curve,) = (
        c for c in diagnostic_curves([record.model_copy(update={"step_diagnostics": between})]) if c.segment == "dense1"
    )
    assert [p.epoch for p in curve.points] == sorted({1 / steps, *before})
    assert next(p.mean for p in curve.points if p.epoch == 1 / steps) == 7.0
