"""Oracle: a folder that is right, and one thing wrong with it at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchsuite.records.checks import inconsistencies
from benchsuite.records.lint import lint_folder
from benchsuite.records.model import RunRecord

RECORDS = Path(__file__).resolve().parents[2] / "leaderboard" / "records"


@pytest.fixture
def folder(committed: RunRecord, seal: Any, put: Any, tmp_path: Path) -> Path:
    """Return a folder with two seeds of two rules, and nothing wrong."""
    (tmp_path / "README.md").write_text("what these are")
    for seed in (0, 1):
        for rule in ("backprop", "readout_only"):
            spec = {"rule": {"name": rule, "config": {}}, "seed": seed}
            put(seal(committed, spec), tmp_path / "mnist-fc")
    return tmp_path


def told(folder: Path) -> list[str]:
    report = lint_folder(folder)
    assert report.is_clean == (not [f for f in report.findings if f.is_problem])
    return [str(f).removeprefix(str(folder)) for f in report.findings]


def change(folder: Path, seal: Any, put: Any, committed: RunRecord, **changes: Any) -> Path:
    """Put a changed seed 0 of backprop in the place of the one that is there."""
    record = seal(committed, {"rule": {"name": "backprop", "config": {}}, "seed": 0})
    return put(RunRecord.model_validate(record.model_dump(mode="json") | changes), folder / "mnist-fc")


def test_the_accepted_records_are_clean() -> None:
    assert lint_folder(RECORDS).is_clean


def test_a_right_folder_has_no_findings(folder: Path) -> None:
    assert told(folder) == []


def test_a_duplicate_is_named_with_its_twin(folder: Path, committed: RunRecord, put: Any) -> None:
    put(committed, folder / "again" / "mnist-fc")
    (message,) = told(folder)
    assert "duplicate" in message
    assert "a16edbb9b8733745" in message


def test_one_seed_of_a_row_twice_is_a_duplicate(folder: Path, committed: RunRecord, seal: Any, put: Any) -> None:
    """Another choice of diagnostics makes another run id; the row has its seed twice all the same."""
    fewer = {"diagnostics": {"names": [], "every_epochs": 1, "examples": 128}}
    put(seal(committed, fewer, diagnostics=[]), folder / "mnist-fc")
    (message,) = told(folder)
    assert "duplicate: seed 0" in message


def test_mixed_tracks_are_named(folder: Path, committed: RunRecord, seal: Any, put: Any) -> None:
    put(seal(committed, {"track": "other"}), folder / "mnist-fc")
    assert told(folder) == ["/mnist-fc: mixed tracks: mnist-fc, other; use one folder per track"]


def test_a_folder_called_after_another_track_is_named(folder: Path) -> None:
    (folder / "mnist-fc").rename(folder / "digits-fc")
    assert told(folder) == ["/digits-fc: folder name: its records are of track mnist-fc"]


def test_a_wrong_name_is_told(folder: Path) -> None:
    path = min((folder / "mnist-fc").iterdir())
    path.rename(path.with_name("a.json"))
    (message,) = told(folder)
    assert "file name: a.json" in message


@pytest.mark.parametrize("field", ["spec_hash", "result_key"])
def test_a_wrong_hash_is_told(folder: Path, committed: RunRecord, seal: Any, put: Any, field: str) -> None:
    change(folder, seal, put, committed, **{field: "ab" * 32})
    (message,) = told(folder)
    assert f"{field}: abab" in message


def test_an_edited_spec_is_told(folder: Path, committed: RunRecord, seal: Any, put: Any) -> None:
    """Catches a record whose learning rate was changed after the fact."""
    spec = committed.model_dump(mode="json")["spec"]
    spec["protocol"]["optimizer"]["learning_rate"] = 0.5
    change(folder, seal, put, committed, spec=spec)
    assert any("spec_hash" in message for message in told(folder))


@pytest.mark.parametrize("seed", [0, 1])
def test_a_missing_seed_is_named(folder: Path, committed: RunRecord, seal: Any, seed: int) -> None:
    record = seal(committed, {"rule": {"name": "readout_only", "config": {}}, "seed": seed})
    (folder / "mnist-fc" / f"{record.run_id}.json").unlink()
    assert told(folder) == [f"/mnist-fc: missing: seed {seed} of readout_only; other seeds are there"]


def test_uncommitted_code_is_a_problem(folder: Path, committed: RunRecord, seal: Any, put: Any) -> None:
    environment = committed.environment.model_dump(mode="json") | {"git_dirty": True}
    change(folder, seal, put, committed, environment=environment)
    (message,) = told(folder)
    assert "git state" in message


@pytest.mark.parametrize("canonical", [None, False])
def test_other_data_is_named_and_no_problem(
    folder: Path, committed: RunRecord, seal: Any, put: Any, canonical: bool | None
) -> None:
    data = committed.model_dump(mode="json")["data"] | {"canonical": canonical}
    change(folder, seal, put, committed, data=data)
    (message,) = told(folder)
    assert "note: data: mnist" in message
    assert lint_folder(folder).is_clean


@pytest.mark.parametrize(("name", "content"), [("a.txt", "x"), ("b.json", "{"), ("c.pkl", "x"), (".hidden", "x")])
def test_what_is_no_record_is_told(folder: Path, name: str, content: str) -> None:
    (folder / "mnist-fc" / name).write_text(content)
    (message,) = told(folder)
    assert name in message


def test_a_link_is_not_followed(folder: Path) -> None:
    (folder / "mnist-fc" / "link.json").symlink_to("/etc/hostname")
    (folder / "elsewhere").symlink_to(folder / "mnist-fc")
    assert sorted(told(folder)) == [
        "/elsewhere: a link; records are plain files",
        "/mnist-fc/link.json: a link; records are plain files",
    ]


def test_epochs_must_be_counted_and_times_in_order(committed: RunRecord) -> None:
    renumbered = [e.model_copy(update={"epoch": e.epoch + 1}) for e in committed.epochs]
    assert "not numbered" in inconsistencies(committed.model_copy(update={"epochs": tuple(renumbered)}))[0]
    backwards = {"started_at": committed.ended_at, "ended_at": committed.started_at}
    assert "before started_at" in inconsistencies(committed.model_copy(update=backwards))[0]
    longer = (*committed.epochs, committed.epochs[-1].model_copy(update={"epoch": 21}))
    assert "the spec has 20" in inconsistencies(committed.model_copy(update={"epochs": longer}))[0]
    assert inconsistencies(committed) == []
