"""Oracle: one record changed in one place, compared with itself."""

from __future__ import annotations

from typing import Any

import pytest

from benchsuite.records.comparison import Tolerances, compare
from benchsuite.records.model import RunRecord


def changed(record: RunRecord, *path: Any, value: Any) -> RunRecord:
    plain = record.model_dump(mode="json")
    inner = plain
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return RunRecord.model_validate(plain)


def test_only_the_time_it_took_may_differ_on_the_same_machine(committed: RunRecord) -> None:
    slower = changed(changed(committed, "timing", "train_time_s", value=1e6), "epochs", 3, "train_time_s", value=1e6)
    found = compare(committed, changed(slower, "epochs", 3, "images_per_s", value=1))
    assert found.expects_equality
    assert found.agrees


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("epochs", 0, "running_loss"), 0.5),
        (("epochs", 19, "test", "error"), 0.5),
        (("diagnostics", 1, "value"), 1.0),
        (("data", "fingerprint"), "ab"),
        (("seeds", "init"), 3),
        (("network", "parameters"), 3),
        (("status",), "diverged"),
    ],
)
def test_every_other_number_must_be_equal_there(committed: RunRecord, path: tuple[Any, ...], value: Any) -> None:
    found = compare(committed, changed(committed, *path, value=value))
    (difference,) = found.differences
    assert difference.again == value
    assert str(path[-1]) in str(difference)
    assert found.expects_equality


def test_a_shorter_run_is_one_difference(committed: RunRecord) -> None:
    (difference,) = compare(committed, committed.model_copy(update={"epochs": committed.epochs[:3]})).differences
    assert (difference.recorded, difference.again) == ("20 values", "3 values")


@pytest.mark.parametrize(
    "path",
    [
        ("hardware", "hardware_class"),
        ("hardware", "precision"),
        ("environment", "torch"),
        ("environment", "rule_source_hash"),
    ],
)
def test_elsewhere_final_errors_may_differ_as_much_as_is_stated(committed: RunRecord, path: tuple[str, str]) -> None:
    elsewhere = changed(committed, *path, value="ff")
    assert compare(committed, elsewhere).changed[0].field == ".".join(path)
    error = committed.epochs[-1].test.error  # type: ignore[union-attr]
    near = changed(elsewhere, "epochs", 19, "test", "error", value=error + 0.0099)
    assert compare(committed, near).agrees
    assert not compare(committed, near, Tolerances(error=0.005)).agrees
    far = changed(elsewhere, "epochs", 19, "test", "error", value=error + 0.0101)
    (difference,) = compare(committed, far).differences
    assert (difference.field, difference.allowed) == ("final_test.error", 0.01)
    assert not compare(committed, changed(elsewhere, "data", "fingerprint", value="ab")).agrees
