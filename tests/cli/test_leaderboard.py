"""Oracle: what the verb's help promises, on accepted records; nothing but a web address becomes a link."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.records.mlflow.connection import MirrorError
from benchsuite.records.mlflow.links import mlflow_pages

ROOT = Path(__file__).resolve().parents[2] / "leaderboard"


def test_a_page_is_renewed_and_says_what_was_left_out(command: Callable[..., Any], tmp_path: Path) -> None:
    shutil.copytree(ROOT / "records" / "mnist-fc", tmp_path / "records" / "mnist-fc")
    shutil.copytree(ROOT / "audits", tmp_path / "audits")  # found without being named
    build = ["leaderboard", "build", "--records", str(tmp_path / "records"), "--out", str(tmp_path / "site"), "--json"]
    first = command(*build)
    files = len([*(tmp_path / "records").rglob("*.json")])
    assert (first.code, first.json["records"], first.json["rebuilt"]) == (0, files, ["mnist-fc"])
    assert (tmp_path / "site" / "claims.html").is_file()
    assert "confirmed" in (tmp_path / "site" / "rules" / "backprop.html").read_text(encoding="utf-8")
    second = command(*build)
    assert (second.code, second.json["rebuilt"]) == (0, [])


@pytest.mark.parametrize("address", ["javascript:alert(1)", "127.0.0.1:5000", "http://user:secret@host"])
def test_only_an_address_of_pages_becomes_a_link(tmp_path: Path, address: str) -> None:
    with pytest.raises(MirrorError, match="not the address of an MLflow UI"):
        mlflow_pages("sqlite:///none.db", tmp_path, address)


OWN_TRACK = """
extends: digits-fc
title: Digits, briefly
source: ours
tiers: {paper: {protocol: {epochs: 2}}}
"""
OWN_VALUES = """
title: A table
source: a paper on digits
runs: 3
entries:
  - {track: own, rule: backprop, metric: test_error_percent, value: 12.34}
"""
OWN_CLAIM = """
title: Backprop is better than training the readout alone
source: a paper on digits
statement: It is.
comparisons:
  - tracks: [own]
    metric: test_error
    left: {rule: backprop}
    right: {rule: readout_only}
    direction: lower
    test: paired
"""


def test_a_runs_own_page_has_what_papers_say_of_it(
    command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a page that is built from records alone: the values and claims, also of one's own specs, stay away."""
    for kind, name, text in (
        ("tracks", "own", OWN_TRACK),
        ("reference", "table", OWN_VALUES),
        ("claims", "own-claim", OWN_CLAIM),
    ):
        (tmp_path / "own" / kind).mkdir(parents=True)
        (tmp_path / "own" / kind / f"{name}.yaml").write_text(text)
    monkeypatch.setenv("BENCHSUITE_SPECS", str(tmp_path / "own"))
    done = command("run", "own", "--rules", "backprop,readout_only", "--tier", "paper", "--seeds", "3")
    assert done.code == 0, done.err
    site = tmp_path / "benchsuite-store" / "site"
    assert "12.34" in (site / "tracks" / "own.html").read_text()
    claims = (site / "claims.html").read_text()
    assert "Backprop is better than training the readout alone" in claims
    assert "a paper on digits" in claims


def test_a_table_without_times_says_why(monkeypatch: pytest.MonkeyPatch, command: Callable[..., Any]) -> None:
    """Catches empty columns that a newcomer on a busy machine could take for a fault."""
    run = ("run", "digits-fc", "--tier", "smoke", "--seeds", "1", "--rules", "backprop")
    # A clock of the processor that stands still is that of a process which gets no processor.
    monkeypatch.setattr("benchsuite.training.clock.time.process_time", lambda: 0.0)
    done = command(*run)
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert "less than 0.8 of a CPU core" in text
    assert "`benchsuite time digits-fc` does it" in text


GENERATED = """
extends: digits-fc
title: Generated images
source: ours
dataset: {{extends: synthetic, train_examples: 128, test_examples: 128, classes: {classes}}}
"""


@pytest.mark.parametrize("classes", [10, 11])
def test_the_terminals_table_has_top5_errors_where_there_are_classes_enough(
    command: Callable[..., Any], tmp_path: Path, classes: int
) -> None:
    """Catches a column of dashes below every track, and cells that slide below the next column's heading."""
    track = tmp_path / "own" / "tracks" / "own.yaml"
    track.parent.mkdir(parents=True)
    track.write_text(GENERATED.format(classes=classes))
    run = ("run", str(track), "--tier", "smoke", "--seeds", "2", "--rules", "backprop")
    done = command(*run)
    assert done.code == 0, done.err
    (heads,) = (line for line in done.out.splitlines() if "test error %" in line)
    (cells,) = (line for line in done.out.splitlines() if "±" in line and "backprop" in line)
    assert ("top-5 error %" in heads) == (classes > 10)
    found = [100 * record["epochs"][-1]["test"]["top5_error"] for record in command(*run, "--json").json["records"]]
    shown = f"{statistics.mean(found):.2f} ± {statistics.stdev(found):.2f}"
    assert (shown in cells) == (classes > 10)
    if classes > 10:
        end = heads.index("top-5 error %") + len("top-5 error %")
        assert cells[:end].endswith(shown)


@pytest.mark.parametrize("address", ["javascript:alert(1)", "example.org/lab", "https://user:secret@example.org"])
def test_only_an_https_address_is_the_repositorys(command: Callable[..., Any], tmp_path: Path, address: str) -> None:
    """Catches a link on every page that runs something, or shows a password."""
    build = ["leaderboard", "build", "--records", str(ROOT / "records" / "mnist-fc"), "--out", str(tmp_path / "site")]
    done = command(*build, "--repository-url", address)
    assert done.code == 2
    assert "expected an https address" in done.err
    assert not (tmp_path / "site").exists()
