"""Oracle: a small queue of runs on bundled data, and the records that it should leave."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from .scripts import load_script

REPOSITORY = Path(__file__).resolve().parents[1]
ENTRY = "{target: digits-fc, tier: smoke, rules: [backprop, gevb], seeds: 1, hours_per_run: 0.1, value: 1, why: a test}"


@pytest.fixture(scope="module")
def filling() -> ModuleType:
    return load_script("fill_board")


def test_the_committed_queue_names_tracks_and_rules_that_can_run(filling: ModuleType) -> None:
    """Catches an entry that stops the filling after hours, because its track or rule was renamed."""
    queue = filling.read_queue(filling.QUEUE)
    wanted = sum(len(entry.rules) * entry.seeds for entry in queue.entries)
    jobs = list(filling.jobs_of(queue))
    assert len({job.run_id for job in jobs}) == wanted


def test_runs_that_are_missing_are_made_and_exported_and_others_are_not(
    filling: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catches a run made twice, one left out, a record that is not exported, a failed run that counts as done."""
    queue = tmp_path / "queue.yaml"
    queue.write_text(f"threads: 1\nentries:\n  - {ENTRY}\n")
    arguments = ["--queue", str(queue), "--store", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    jobs = list(filling.jobs_of(filling.read_queue(queue)))
    assert [job.name for job in jobs] == ["digits-fc smoke backprop seed 0"], "GEVB cannot work in this network"

    assert filling.main([*arguments, "--jobs", "1"]) == 0
    assert {path.stem for path in (tmp_path / "out").rglob("*.json")} == {job.run_id for job in jobs}
    assert "1 done, 0 failed, 0 left" in capfd.readouterr().out

    assert filling.main([*arguments, "--dry-run"]) == 0
    assert "1 done, 0 failed, 0 left" in capfd.readouterr().out

    broken = filling.Job("0" * 16, "a run of nothing", ("run", "--no-such-option"), 0.1)
    progress = filling.Progress(left=[broken])
    filling.work_off(progress, filling.Crew(1, 1, tmp_path / "store", tmp_path / "logs"), tmp_path / "out")
    assert progress.failed == [broken]
    assert "no-such-option" in (tmp_path / "logs" / f"{broken.run_id}.log").read_text()


def test_a_queue_with_a_misspelt_field_is_refused_by_name(filling: ModuleType, tmp_path: Path) -> None:
    queue = tmp_path / "queue.yaml"
    queue.write_text("threads: 1\nentries:\n  - " + ENTRY.replace("tier:", "teir:"))
    with pytest.raises(SystemExit, match="teir"):
        filling.read_queue(queue)
