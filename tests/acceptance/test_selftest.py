"""Oracles: parts whose ends are known, since they are stubs, and the record that must be left whatever they do."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

import benchsuite as bs
from benchsuite.acceptance import growing_record, supervision
from benchsuite.acceptance.part_process import ORPHANED
from benchsuite.acceptance.parts import PARTS, Part, PartRequest
from benchsuite.api import selftests
from benchsuite.cli.main import run_command
from benchsuite.errors import HardwareError, SpecError
from benchsuite.execution.helper_processes import BOOT
from benchsuite.records.lint import lint_folder
from benchsuite.records.reading import BrokenRecord, read_selftest
from benchsuite.records.selftest import PartName, SelftestRecord, selftest_id_of

LEFT_OUT = Part("test_suite", "", 0, "not in a wheel")


def use(monkeypatch: pytest.MonkeyPatch, *parts: Part) -> None:
    """Have the self-test made of these parts."""
    monkeypatch.setattr(selftests, "PARTS", parts)
    monkeypatch.setattr(growing_record, "PARTS", parts)


BadDay = tuple[int, SelftestRecord, Path]


def stub(name: PartName, module: str, weight: float = 1.0) -> Part:
    return Part(name, f"stub_{module}", weight)


@pytest.fixture(scope="module")
def bad_day(stubs: Path, tmp_path_factory: pytest.TempPathFactory) -> BadDay:
    """Return exit code, record and its file of a command of which one part hangs and one crashes."""
    out = tmp_path_factory.mktemp("out") / "hardware"
    with pytest.MonkeyPatch.context() as patch:
        use(
            patch,
            stub("environment", "crashing", 30),
            # A fraction of a second, in which the process does not even start.
            stub("capture", "hanging", 0.3),
            stub("roof", "sound", 30),
            stub("rates", "wrong", 30),
            stub("energy", "unable", 30),
            LEFT_OUT,
        )
        code = run_command(["selftest", "cpu", "--minutes", "1.5", "--out", str(out)])
    (path,) = out.glob("*.json")
    record = read_selftest(path)
    assert isinstance(record, SelftestRecord)
    return code, record, path


def test_a_part_that_hangs_or_crashes_leaves_the_results_of_all_others(
    bad_day: BadDay,
) -> None:
    """Catches a self-test that a hanging driver holds for ever, and rows that go with the process that had them."""
    _, record, _ = bad_day
    assert {part.name: (part.status, len(part.rows)) for part in record.parts} == {
        "environment": ("crashed", 1),
        "capture": ("timed_out", 0),
        "roof": ("passed", 1),
        "rates": ("failed", 1),
        "energy": ("skipped", 0),
        "test_suite": ("skipped", 0),
    }
    reasons = {part.name: part.reason for part in record.parts}
    assert reasons["environment"] == "the process ended with SIGKILL: a library says no"
    assert (reasons["rates"], reasons["test_suite"]) == ("1 row has a problem", "not in a wheel")


def test_a_failed_part_is_an_exit_code_and_a_line(
    stubs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a CI job that passes on a broken GPU. A part that is left out is no failure."""
    use(monkeypatch, LEFT_OUT)
    assert run_command(["selftest", "cpu", "--out", str(tmp_path)]) == 0
    assert "test suite: skipped: not in a wheel" in capsys.readouterr().out


def test_parts_that_failed_are_named(bad_day: BadDay) -> None:
    code, record, path = bad_day
    assert code == 1
    shown = bs.Selftest(record, path).table()
    assert "failed: capture: killed at its deadline" in shown
    assert "written before" in shown


def test_lint_names_failed_parts_and_busy_machines(bad_day: BadDay, tmp_path: Path) -> None:
    """Catches figures of a broken or a busy machine that are committed as a device's own."""
    _, record, path = bad_day
    report = lint_folder(path.parent)
    messages = [finding.message for finding in report.findings if not finding.message.startswith("git state")]
    assert report.records == 1
    assert [message.split(":")[0] for message in messages] == ["part capture", "part environment", "part rates"]
    good = tuple(part for part in record.parts if not part.has_failed)
    for busy, name, wanted in [("", "", []), ("two cores", "", ["measured"]), ("", "another", ["name"])]:
        changed = record.model_copy(update={"parts": good, "busy": busy})
        file = tmp_path / f"{name or record.selftest_id}.json"
        file.write_text(changed.model_dump_json(), encoding="utf-8")
        found = [f.message for f in lint_folder(tmp_path).findings if not f.message.startswith("git state")]
        assert [message.split()[0].strip(":") for message in found] == wanted
        file.unlink()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda plain: plain["parts"].reverse(), "in the order of the self-test"),
        (lambda plain: plain["parts"].append(plain["parts"][0]), "each may be there once"),
        (lambda plain: plain["parts"][0].update(reason=""), "environment: crashed without a reason"),
        (lambda plain: plain["parts"][0]["rows"][0].update(kind="gossip"), "parts.0.rows.0"),
    ],
)
def test_a_record_that_contradicts_itself_is_broken(bad_day: BadDay, tmp_path: Path, change: Any, reason: str) -> None:
    plain = json.loads(bad_day[2].read_text(encoding="utf-8"))
    change(plain)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(plain), encoding="utf-8")
    found = read_selftest(path)
    assert isinstance(found, BrokenRecord)
    assert reason in found.reason


def test_ctrl_c_keeps_what_is_there(stubs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches minutes of measurement that go with the last part's Ctrl-C."""
    use(monkeypatch, stub("capture", "interrupting"), stub("roof", "sound"), LEFT_OUT)
    found = bs.selftest("cpu", minutes=1, out=tmp_path)
    assert found.interrupted
    assert read_selftest(found.path) == found.record
    assert [(part.status, len(part.rows)) for part in found.record.parts] == [
        ("interrupted", 1),
        ("interrupted", 0),
        ("interrupted", 0),
    ]


def test_a_part_ends_with_its_command(stubs: Path, tmp_path: Path) -> None:
    """Catches processes that keep a GPU busy after the command was killed."""
    words = [sys.executable, "-c", BOOT, json.dumps(sys.path), supervision.PROCESS]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        pickle.dump(PartRequest("roof", "stub_waiting", "cpu", time.time() + 60, tmp_path), process.stdin)
        process.stdin.close()
        assert process.wait(60) == ORPHANED


def test_what_a_killed_part_has_started_is_killed() -> None:
    """Catches runs of a killed part that go on beside the parts after it, and slow them down."""
    words = ["sh", "-c", "sleep 60 & echo $!; wait"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        supervision._kill(process)
        psutil.wait_procs([child], timeout=10)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_every_part_of_the_table_is_there() -> None:
    """Catches a renamed module, which would show as a failed part on somebody's GPU first."""
    names = [part.name for part in PARTS]
    assert len(set(names)) == len(names)
    for part in PARTS:
        assert bool(part.module) != bool(part.left_out)
        if part.module:
            assert callable(__import__(part.module, fromlist=["measure"]).measure)


def test_the_id_tells_devices_apart() -> None:
    assert selftest_id_of("cpu", None) != selftest_id_of("gpu", None)


def test_wrong_requests_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(HardwareError, match="no CUDA device here; use `benchsuite selftest cpu`"):
        bs.selftest("gpu", out=tmp_path)
    with pytest.raises(SpecError, match="minutes is 0"):
        bs.selftest("cpu", minutes=0, out=tmp_path)
