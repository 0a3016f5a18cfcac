"""Oracle: a process in which torch, MLflow and pandas cannot be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchsuite import process
from benchsuite.cli.main import run_command
from benchsuite.registry.catalogue import keep_catalogue

ACCEPTED = Path(__file__).resolve().parents[2] / "leaderboard" / "records" / "mnist-mirror-fc"

COMMANDS = """
import json
import sys

sys.path[:] = json.loads(sys.argv[1])


class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "mlflow", "pandas"}:
            raise ImportError(f"{name} was imported")


sys.meta_path.insert(0, Refused())
exec(sys.argv[3])
from benchsuite.cli.main import run_command

for arguments in json.loads(sys.argv[2]):
    print("code", run_command(arguments), flush=True)
"""


def in_a_fresh_process(*commands: tuple[str, ...], preparation: str = "") -> subprocess.CompletedProcess[str]:
    """Run commands one after the other in a process with this one's import path."""
    words = [sys.executable, "-c", COMMANDS, *map(json.dumps, (sys.path, commands)), preparation]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(autouse=True)
def _known_plugins() -> None:
    keep_catalogue()


def test_list_info_and_claims_import_no_torch(tmp_path: Path) -> None:
    """Catches one import at the top of a module that makes every short command wait for torch."""
    done = in_a_fresh_process(
        ("list",), ("info", "gevb"), ("info", "mnist-fc"), ("claims", "--records", str(tmp_path), "--json")
    )
    assert done.stderr == ""
    assert done.stdout.count("code 0\n") == 4


def test_a_plan_made_before_imports_no_torch_and_is_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a plan that waits for torch again, and one that is shown for other settings than its own."""
    asked = ("plan", "digits-fc", "--tier", "smoke", "--rules", "backprop,gevb", "--hardware", "cpu", "--json")
    other = (*asked, "--set", "protocol.batch_size=7")
    monkeypatch.setattr(process, "_owned", True)
    assert run_command(list(asked)) == 0
    again = in_a_fresh_process(asked, other, preparation="from benchsuite.process import own_process; own_process()")
    assert again.stdout == f"{capsys.readouterr().out}code 0\ncode 3\n", again.stderr
    assert "torch was imported" in again.stderr


def test_a_site_imports_no_torch(tmp_path: Path) -> None:
    """Catches a page that waits for torch, which takes longer than all else when one record has changed."""
    record = json.loads(next(ACCEPTED.glob("*.json")).read_text(encoding="utf-8"))
    record["spec"]["track"] = "not-in-the-library"  # hyperparameters of a claim's runs are asked of plugins once
    folder, out = tmp_path / "records", tmp_path / "site"
    folder.mkdir()
    (folder / "one.json").write_text(json.dumps(record), encoding="utf-8")
    done = in_a_fresh_process(("leaderboard", "build", "--records", str(folder), "--out", str(out), "--json"))
    assert done.stderr == ""
    assert "code 0\n" in done.stdout
    assert (out / "tracks" / "not-in-the-library.html").is_file()


def test_run_says_what_it_will_do_before_it_imports_torch() -> None:
    """Catches seconds of silence after `benchsuite run`, and a number of runs that is not the plan's."""
    done = in_a_fresh_process(
        ("run", "digits-fc", "--tier", "smoke", "--rules", "backprop,feedback_alignment", "--seeds", "3", "--json")
    )
    assert done.stderr.startswith("6 runs: 2 rules × 3 seeds on digits-fc, smoke tier\n")
    assert "torch was imported" in done.stderr
    assert done.stdout == "code 3\n"
