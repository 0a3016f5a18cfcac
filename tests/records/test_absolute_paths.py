"""Oracle: paths written by hand. A record that is handed on tells of no machine and no user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchsuite.records.absolute_paths import absolute_paths, without_paths
from benchsuite.records.checks import inconsistencies
from benchsuite.records.lint import lint_folder
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import read_record
from benchsuite.records.transfer import place_by_track, transfer

TRACEBACK = """Traceback (most recent call last):
  File "/home/jo/lab/rule.py", line 3, in step
ValueError: C:\\Users\\jo\\x.pt
"""


@pytest.fixture
def crashed(committed: RunRecord, seal: Any) -> RunRecord:
    """Return a record that names folders of a machine in each of its free texts."""
    return seal(
        committed,
        status="crashed",
        reason="FileNotFoundError: /scratch/jo/a.bin (see https://example.org/a/b, 3/4 of 5 m/s)",
        traceback=TRACEBACK,
        command="benchsuite run /home/jo/mine/track.yaml --seed 0",
    )


def test_paths_are_found_and_units_and_addresses_are_none(crashed: RunRecord, committed: RunRecord) -> None:
    assert dict(absolute_paths(crashed)) == {
        "reason": "/scratch/jo/a.bin",
        "traceback": "/home/jo/lab/rule.py",
        "command": "/home/jo/mine/track.yaml",
    }
    assert not list(absolute_paths(committed))


def test_lint_names_them_and_export_cuts_them(crashed: RunRecord, put: Any, tmp_path: Path) -> None:
    """Catches a user's name in a published traceback."""
    source = put(crashed, tmp_path / "mnist-fc")
    told = [finding.message for finding in lint_folder(tmp_path).findings if "absolute path" in finding.message]
    assert len(told) == 3
    assert "reason names /scratch/jo/a.bin" in " ".join(told)
    (path,) = transfer([source], place_by_track(tmp_path / "out"), change=without_paths).written
    cut = read_record(path)
    assert isinstance(cut, RunRecord)
    assert not list(absolute_paths(cut))
    assert "jo" not in path.read_text(encoding="utf-8").replace("majority", "")
    assert cut.traceback is not None
    assert 'File "…/rule.py", line 3' in cut.traceback
    assert cut.command == "benchsuite run …/track.yaml --seed 0"
    assert inconsistencies(cut, path) == []
    assert transfer([source], place_by_track(tmp_path / "out"), change=without_paths).unchanged
