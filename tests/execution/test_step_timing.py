"""Oracles: the record that a measurement must leave, and a machine that is said to be busy or idle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import benchsuite as bs
from benchsuite.api import timings
from benchsuite.execution import other_work, step_timing
from benchsuite.records.lint import lint_folder
from benchsuite.records.reading import BrokenRecord, read_timing
from benchsuite.training.trainer import Trainer
from tests.factories import make_timing

RULES = ["backprop", "predictive_coding", "gevb"]


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> bs.TrackTiming:
    """Return the timing of two rules, on a machine that is said to be idle, and of one that the network refuses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timings, "find_other_work", lambda device: "")
        patch.setattr(timings, "allowed_cores", lambda: 1e9)
        folder = tmp_path_factory.mktemp("timing")
        return bs.time_track(
            "digits-fc", rules=RULES, minutes=0.002, tier="smoke", set={"hardware.threads": 1}, out=folder
        )


def test_every_rule_has_a_time_of_every_round(timed: bs.TrackTiming) -> None:
    """Catches a rule that was timed alone, after the others: nothing then cancels what disturbs the machine."""
    record = timed.record
    assert [row.spec.rule.name for row in record.rows] == ["backprop", "predictive_coding"]
    assert {len(row.step_times_ms) for row in record.rows} == {record.rounds} == {step_timing.ROUNDS}
    assert all(row.steps_per_round >= 1 and row.steps_per_epoch > 0 for row in record.rows)
    assert record.busy == ""
    assert "gevb" in timed.refused[0]
    assert "1.00 to 1.00" in timed.table()


def test_phases_and_predictions_are_timed(timed: bs.TrackTiming) -> None:
    """Catches a phase that is declared and never marked, and predictions whose cost nobody sees."""
    backprop, coding = timed.record.rows
    assert backprop.phase_shares == {}
    assert list(coding.phase_shares) == ["inference"]
    assert 0 < coding.phase_shares["inference"] < 1
    assert all(row.prediction_us is not None and row.prediction_us > 0 for row in timed.record.rows)


def test_its_file_is_the_record(timed: bs.TrackTiming) -> None:
    assert read_timing(timed.path) == timed.record
    assert (timed.path.parent.name, timed.path.stem) == ("digits-fc", timed.record.timing_id)


def test_a_busy_machine_is_refused_or_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches times of a busy machine on the board; ``Timings`` leaves marked records out."""
    monkeypatch.setattr(timings, "find_other_work", lambda device: "other processes use 1.5 cores")
    arguments: dict[str, Any] = {"rules": "backprop", "minutes": 0.001, "tier": "smoke", "out": tmp_path}
    with pytest.raises(bs.HardwareError, match=r"busy: other processes use 1.5 cores.*--anyway"):
        bs.time_track("digits-fc", **arguments)
    assert not list(tmp_path.rglob("*.json"))
    found = bs.time_track("digits-fc", anyway=True, **arguments)
    assert found.record.busy == "other processes use 1.5 cores"
    assert "never shown as costs" in found.table()


def test_a_machine_that_becomes_busy_meanwhile_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "find_other_work", lambda device: "")
    monkeypatch.setattr(timings, "allowed_cores", lambda: -1.0)
    found = bs.time_track("digits-fc", rules="backprop", minutes=0.001, tier="smoke", out=tmp_path)
    assert "during the measurement" in found.record.busy


def test_a_rule_that_fails_in_a_step_leaves_the_others_their_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a measurement of hours that one rule's error ends without a record."""
    monkeypatch.setattr(timings, "find_other_work", lambda device: "")
    steps = Trainer.endless_steps

    def failing(trainer: Trainer) -> Any:
        for taken, step in enumerate(steps(trainer)):
            if taken > 8 and type(trainer.rule).__name__ != "Backprop":
                raise ValueError("a singular matrix")
            yield step

    monkeypatch.setattr(Trainer, "endless_steps", failing)
    found = bs.time_track("digits-fc", rules=RULES[:2], minutes=0.001, tier="smoke", anyway=True, out=tmp_path)
    backprop, other = found.record.rows
    assert len(backprop.step_times_ms) == found.record.rounds
    assert (other.step_times_ms, other.reason) == ((), "ValueError: a singular matrix")


def test_another_process_at_work_is_seen_and_our_own_work_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a check that counts the measurement itself as other work."""
    current = (0.0, 0.0)  # processor seconds of all, and of this process
    monkeypatch.setattr(other_work, "_busy_s", lambda: current[0])
    monkeypatch.setattr(other_work, "_own_s", lambda: current[1])
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(other_work.time, "perf_counter", lambda: next(clock))
    work = other_work.OtherWork()
    current = (8.0, 3.0)
    assert work.cores() == 2.5


def test_a_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(bs.SpecError, match="a measurement is of one track"):
        bs.time_track("gait-dense", minutes=0.001, anyway=True, out=tmp_path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, ""),
        ({"busy": "other processes use 2.0 cores"}, "measured on a busy machine"),
    ],
)
def test_lint_reads_timings(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    """Catches timings that are taken for broken records of runs, and those of busy machines among accepted ones."""
    record = make_timing({"backprop": (2.0, 2.1)}, **change)
    path = tmp_path / "timing" / record.track / f"{record.timing_id}.json"
    path.parent.mkdir(parents=True)
    path.write_text(record.model_dump_json(), encoding="utf-8")
    report = lint_folder(tmp_path / "timing")
    assert report.records == 1
    assert [problem in finding.message for finding in report.findings] == ([True] if problem else [])


def test_a_timing_that_contradicts_itself_is_broken(tmp_path: Path) -> None:
    """Catches rounds that do not pair: a ratio would divide times of different moments."""
    text = make_timing({"backprop": (2.0, 2.1), "fa": (2.0, 2.2)}).model_dump_json().replace("[2.0,2.2]", "[2.0]")
    path = tmp_path / "timing.json"
    path.write_text(text, encoding="utf-8")
    found = read_timing(path)
    assert isinstance(found, BrokenRecord)
    assert "fa: 1 times in 2 rounds" in found.reason


def test_a_protocol_with_stages_is_timed_stage_by_stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches a cost that is the first stage's alone: the readout's stage here makes a third of the products."""
    monkeypatch.setattr(timings, "find_other_work", lambda device: "")
    monkeypatch.setattr(timings, "allowed_cores", lambda: 1e9)
    record = bs.time_track(
        *("digits-fc-layerwise",),
        rules=["backprop"],
        minutes=0.002,
        tier="smoke",
        set={"hardware.threads": 1},
        out=tmp_path,
    ).record
    (row,) = record.rows
    assert list(row.phase_shares) == ["stage 1: dense1", "stage 2: dense2", "stage 3: readout"]
    assert sum(row.phase_shares.values()) == pytest.approx(1)
    assert len(row.step_times_ms) == record.rounds
