"""Oracle: a small queue of runs on bundled data, and the records that it should leave."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from benchsuite.cli.main import run_command

from .scripts import load_script

REPOSITORY = Path(__file__).resolve().parents[1]
PUBLISHED = {
    "target": "digits-fc",
    "tier": "smoke",
    "rules": ["backprop", "gevb"],
    "seeds": 1,
    "hours_per_run": 0.1,
    "value": 1,
    "why": "a test",
}


@pytest.fixture
def tuned(tmp_path: Path) -> dict[str, object]:
    """Return an entry of most value, whose track has one trial of tuning."""
    track = yaml.safe_load((REPOSITORY / "specs" / "tracks" / "digits-fc.yaml").read_text())
    file = tmp_path / "one-trial.yaml"
    file.write_text(yaml.safe_dump(track | {"tuning": {"trials": 1, "epochs": 1}}))
    return PUBLISHED | {"target": str(file), "settings": "tuned", "hours_per_tuning": 0.1, "value": 4}


@pytest.fixture(scope="module")
def filling() -> ModuleType:
    return load_script("fill_board")


@pytest.fixture
def fill(filling: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that fills a board in a folder of its own, and returns the exit code and what was printed."""

    def run(entries: Sequence[dict[str, object]], *options: str) -> tuple[int, str]:
        queue = tmp_path / "queue.yaml"
        queue.write_text(yaml.safe_dump({"threads": 1, "entries": list(entries)}))
        places = {"queue": queue, "store": tmp_path / "store", "out": tmp_path / "out", "tunings": tmp_path / "tuning"}
        capfd.readouterr()
        code = filling.main([*(f"--{name}={path}" for name, path in places.items()), "--jobs", "1", *options])
        return code, capfd.readouterr().out

    return run


@pytest.fixture
def commands(filling: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Make commands in this process, which saves a start of Python and torch for each; return what was called."""
    called: list[list[str]] = []

    def call(command: Sequence[str], _log: Path, look: Callable[[], None], _threads: int) -> int:
        assert command[:3] == [sys.executable, "-m", "benchsuite"]
        called.append(list(command[3:]))
        code = run_command(called[-1])
        look()
        return code

    monkeypatch.setattr(filling, "call", call)
    monkeypatch.setenv("BENCHSUITE_EXECUTOR", "inline")
    monkeypatch.setattr("benchsuite.tuning.processes.can_make_workers", lambda _: False)
    return called


def test_the_committed_queue_names_tracks_and_rules_that_can_run(filling: ModuleType, tmp_path: Path) -> None:
    """Catches an entry that stops the filling after hours, because its track or rule was renamed."""
    queue = filling.read_queue(filling.QUEUE)
    names = []
    for entry in queue.ordered:
        found = filling.items_of(entry, queue.threads, tmp_path)
        assert len(found.runs) == len(entry.rules) * entry.seeds, entry.target
        assert len(found.tunings) == (len(entry.rules) if entry.settings == "tuned" else 0), entry.target
        names += [item.name for item in found.all]
    assert len(set(names)) == len(names)


def test_the_committed_queue_has_the_rows_of_the_standard_suite(filling: ModuleType) -> None:
    """Catches a rule that joins the suite and never reaches the board; controls need their rules' tunings first."""
    suite = yaml.safe_load((REPOSITORY / "specs" / "suites" / "core.yaml").read_text())
    cells = [cell for cell in suite["cells"] if all(isinstance(rule, str) for rule in cell["rules"])]
    rows = {
        track: tuple(cell["rules"])
        for cell in cells
        if "quick" in cell.get("tiers", ["quick"])
        for track in cell["tracks"]
    }
    queued = [entry for entry in filling.read_queue(filling.QUEUE).entries if entry.target in rows]
    assert {entry.target: entry.rules for entry in queued} == {entry.target: rows[entry.target] for entry in queued}
    assert {(entry.tier, entry.settings, entry.seeds) for entry in queued} == {("quick", "tuned", 5)}


def test_what_is_missing_is_tuned_and_run_and_exported_once(
    fill: Callable[..., tuple[int, str]], commands: list[list[str]], tuned: dict[str, object], tmp_path: Path
) -> None:
    """Catches a run made twice or left out, a tuned row at published settings, a record that is not exported."""
    code, said = fill([PUBLISHED, tuned], "--dry-run")
    assert code == 0
    expected = "about 18 min, 1 at once, by the queue's times: none of the kind was made here"
    assert said.splitlines()[0] == f"0 done, 0 failed, 3 left: {expected}"
    assert "gevb" not in said, "it cannot work in this network"

    code, said = fill([PUBLISHED, tuned])
    assert code == 0, said
    assert "3 done, 0 failed, 0 left: nothing left" in said
    assert [words[0] for words in commands] == ["tune", "run", "run"], "the entry of more value first"
    assert len(list((tmp_path / "tuning").rglob("*.json"))) == 1
    assert len(list((tmp_path / "out").rglob("*.json"))) == 2

    (tmp_path / "store").rename(tmp_path / "elsewhere")  # another machine, which has what was exported
    assert fill([PUBLISHED, tuned])[0] == 0
    code, said = fill([PUBLISHED | {"seeds": 2}, tuned], "--dry-run")
    assert said.splitlines()[0].startswith("3 done, 0 failed, 1 left: ")
    assert len(commands) == 3, "nothing is made again"


def test_time_left_is_of_runs_made_here_else_of_the_queue(
    fill: Callable[..., tuple[int, str]], commands: list[list[str]]
) -> None:
    """Catches an estimate that counts a run as none, or does not divide by the runs at once, or hides its source."""
    assert fill([PUBLISHED])[0] == 0
    _, said = fill([PUBLISHED | {"seeds": 3, "rules": ["backprop", "feedback_alignment"]}], "--dry-run")
    assert "5 left: about 18 min, 1 at once, by the queue's times for 3 of them" in said
    assert "feedback_alignment seed 0: about 6 min, 1 at once, by the queue's times: none of the kind" in said
    measured = next(line for line in said.splitlines() if "backprop seed 1" in line)
    assert "queue" not in measured


def test_a_run_without_a_record_has_failed_and_the_rest_goes_on(
    fill: Callable[..., tuple[int, str]],
    filling: ModuleType,
    tuned: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches a failed tuning or run that counts as done, or after which nothing else is made."""
    started: list[str] = []
    monkeypatch.setattr(filling, "call", lambda command, *_: started.append(command[3]))
    code, said = fill([PUBLISHED, tuned])
    assert code == 1
    assert started == ["tune", "run"], "a tuned run cannot start without its tuning; others can"
    assert "0 done, 3 failed, 0 left" in said


def test_ctrl_c_is_passed_on_and_waited_for(
    filling: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches runs that go on, or die without saving, when the filling is stopped."""
    saved = tmp_path / "saved"
    child = f"""
import pathlib, time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.1)
    pathlib.Path({str(saved)!r}).touch()
"""
    log = tmp_path / "logs" / "a.log"

    def stop() -> None:
        if log.read_text():
            raise KeyboardInterrupt

    monkeypatch.setattr(filling, "POLL_S", 0.02)
    monkeypatch.setattr(filling, "NICENESS", 0)  # other work may starve the child past the time it is waited for
    with pytest.raises(KeyboardInterrupt):
        filling.call([sys.executable, "-S", "-c", child], log, stop, 1)
    assert saved.exists()


def test_a_queue_with_a_misspelt_field_is_refused_by_name(filling: ModuleType, tmp_path: Path) -> None:
    queue = tmp_path / "queue.yaml"
    entry = {("teir" if name == "tier" else name): value for name, value in PUBLISHED.items()}
    queue.write_text(yaml.safe_dump({"threads": 1, "entries": [entry]}))
    with pytest.raises(SystemExit, match="teir"):
        filling.read_queue(queue)
