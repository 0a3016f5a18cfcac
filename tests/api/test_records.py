"""Oracle: records made by code, whose numbers are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import benchsuite as bs
from benchsuite.records.reading import record_text

Make = Callable[..., Any]


@pytest.fixture
def folder(make_seeds: Make, tmp_path: Path) -> Path:
    """Return a folder with five records and one broken file."""
    found = [*make_seeds("backprop", [0.1, 0.2, 0.3]), *make_seeds("gevb", [0.4, 0.5], track="mnist-fc")]
    out = tmp_path / "records"
    out.mkdir()
    for record in found:
        (out / f"{record.run_id}.json").write_text(record_text(record))
    (out / "broken.json").write_text("{")
    return out


def test_records_are_a_sequence_with_what_was_broken(folder: Path) -> None:
    """Catches a broken file that vanishes, or takes the others with it."""
    records = bs.load_records(folder)
    assert (len(records), records.rules, records.tracks) == (5, ("backprop", "gevb"), ("digits-fc", "mnist-fc"))
    assert [broken.path.name for broken in records.broken] == ["broken.json"]
    assert repr(records) == "<Records: 5 runs of 2 rules on 2 tracks, 1 broken file>"
    assert len(records[1:]) == 4
    assert {r.spec.rule.name for r in records.select(rule="g*")} == {"gevb"}
    assert len(records.select(track="digits*", tier="quick", status="completed")) == 3
    assert len(records.select(tier="paper")) == 0
    assert [table.track for table in records.tables] == ["digits-fc", "mnist-fc"]
    assert "20.00 ± 10.00" in records.table()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Catches a misspelt folder that reads as no records."""
    with pytest.raises(bs.EmptySelectionError, match="no folder"):
        bs.load_records(tmp_path / "record")


def test_rows_have_final_errors_only_of_completed_runs(make_record: Make) -> None:
    """Catches the last measurement of a diverged run shown as its result."""
    done = make_record("backprop", 0, 0.25)
    lost = make_record("backprop", 1, 0.25, status="diverged", reason="the loss is not a number")
    first, second = bs.Records([done, lost]).rows()
    assert (first["test_error"], first["train_error"]) == (0.25, 0.125)
    assert (second["status"], second["test_error"], second["train_error"]) == ("diverged", None, None)
    assert json.loads(first["config"]) == {}


def test_frames_have_one_row_per_run_epoch_or_value(make_record: Make, make_angles: Make) -> None:
    """Catches columns that depend on which records there are, and values of one epoch beside another."""
    pytest.importorskip("pandas")
    record = make_record("gevb", 0, 0.2, curve=[0.4, 0.3, 0.2], diagnostics=make_angles(0, 3))
    records = bs.Records([record])
    assert len(records.to_frame()) == 1
    epochs = records.to_frame("epochs")
    assert list(epochs["test_error"]) == [0.4, 0.3, 0.2]
    assert list(epochs["epoch"]) == [1, 2, 3]
    values = records.to_frame("diagnostics")
    assert set(values["segment"]) == {"dense1", "dense2"}
    assert list(bs.Records().to_frame("epochs").columns) == list(epochs.columns)
    with pytest.raises(bs.BenchsuiteError, match="did you mean 'epochs'"):
        records.rows("epoch")  # type: ignore[arg-type]


def test_verification_and_lint_find_what_was_changed(folder: Path) -> None:
    """Catches checks that only the command makes."""
    wrong = {check.path.name for check in bs.verify(folder) if not check.is_right}
    assert "broken.json" in wrong
    assert not bs.lint(folder).is_clean
    with pytest.raises(bs.EmptySelectionError):
        bs.lint(folder / "nowhere")
    with pytest.raises(bs.EmptySelectionError):
        bs.verify([])


def test_claims_are_judged_by_records_or_a_folder(folder: Path) -> None:
    """Catches verdicts that depend on how records are handed over."""
    from_folder, from_records = bs.claims(folder), bs.claims(bs.load_records(folder))
    assert from_folder.as_data() == from_records.as_data()
    assert len(from_folder) == len(bs.list_claims())
    assert "not enough records" in from_folder.table()
