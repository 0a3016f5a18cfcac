"""Oracle: what the verbs for records promise, on a run made for the purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.errors import DataError
from benchsuite.execution.rerun import require_inside
from benchsuite.specs.models.dataset import ArraysDataset, PluginDataset

Command = Callable[..., Any]

RUN = ("run", "digits-fc", "--tier", "smoke", "--rules", "backprop", "--seed", "0", "--hardware", "cpu", "--json")


@pytest.fixture
def store(command: Command, tmp_path: Path) -> Path:
    """Return a store with one run."""
    assert command(*RUN, "--store", str(tmp_path / "store")).code == 0
    return tmp_path / "store"


def record_of(store: Path) -> Path:
    (path,) = (store / "records").glob("*.json")
    return path


def edit(path: Path, *place: Any, value: Any) -> None:
    content = inner = json.loads(path.read_text())
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    path.write_text(json.dumps(content))


def test_records_travel_and_are_verified(command: Command, store: Path, tmp_path: Path) -> None:
    done = command("export", "--store", str(store), "--out", str(tmp_path / "out"))
    assert (done.code, "1 written" in done.out) == (0, True)
    assert command("export", "--store", str(store), "--out", str(tmp_path / "out"), "--json").json["written"] == []
    assert command("export", "--store", str(store), "--out", "o", "--track", "mnist-fc").code == 5
    (exported,) = (tmp_path / "out" / "digits-fc").iterdir()
    assert exported.read_bytes() == record_of(store).read_bytes()
    assert command("export", "--store", str(store), "--out", "finished", "--finished").code == 0
    assert command("import", str(tmp_path / "out"), "--store", str(tmp_path / "other")).code == 0
    assert record_of(tmp_path / "other").read_bytes() == exported.read_bytes()
    assert "right" in command("verify", str(exported)).out
    edit(exported, "spec", "seed", value=7)
    done = command("verify", str(tmp_path / "out"), "--json")
    assert done.code == 1
    assert any("spec_hash" in problem for problem in done.json[str(exported)]["problems"])
    done = command("import", str(exported), "--store", str(tmp_path / "other"))
    assert done.code == 1
    assert "refused" in done.err


def test_a_run_that_goes_on_is_not_exported_as_finished(command: Command, store: Path) -> None:
    """Catches a half-trained run among the accepted records, where nobody would continue it."""
    edit(record_of(store), "status", value="interrupted")
    edit(record_of(store), "reason", value="stopped by the person or the system; run again to continue")
    assert command("export", "--store", str(store), "--out", "all").code == 0
    assert command("export", "--store", str(store), "--out", "finished", "--finished").code == 5


def test_a_laboratorys_mlflow_store_becomes_a_folder_of_records(command: Command, store: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'laboratory.db'}"
    assert command("sync", "--store", str(store), "--tracking-uri", uri).code == 0
    done = command("export", "--from-mlflow", uri, "--out", str(tmp_path / "out"))
    assert (done.code, "1 written" in done.out) == (0, True)
    (exported,) = (tmp_path / "out" / "digits-fc").iterdir()
    assert exported.read_bytes() == record_of(store).read_bytes()
    done = command("export", "--from-mlflow", f"sqlite:///{tmp_path / 'none.db'}", "--out", str(tmp_path / "out"))
    assert (done.code, "there is no database" in done.err) == (1, True)


def test_an_import_overwrites_nothing_unasked(command: Command, store: Path, tmp_path: Path) -> None:
    command("export", "--store", str(store), "--out", "out")
    (exported,) = (tmp_path / "out" / "digits-fc").iterdir()
    edit(exported, "command", value="benchsuite run something else")
    before = record_of(store).read_bytes()
    done = command("import", str(exported), "--store", str(store))
    assert done.code == 1
    assert "not overwritten" in done.err
    assert record_of(store).read_bytes() == before
    assert command("import", str(exported), "--store", str(store), "--replace").code == 0
    assert record_of(store).read_bytes() != before


def test_a_rerun_confirms_every_number_or_shows_each_that_differs(command: Command, store: Path) -> None:
    """On the same machine with the same code the same spec gives the same record."""
    path = record_of(store)
    done = command("verify", "--rerun", str(path), "--json")
    assert (done.code, done.json[str(path)]["expected_equal"]) == (0, True), done.out
    edit(path, "epochs", 0, "test", "loss", value=0.25)
    done = command("verify", "--rerun", str(path))
    assert done.code == 1
    assert "differs: epochs[0].test.loss: recorded 0.25, now" in done.out
    edit(path, "hardware", "hardware_class", value="another machine")
    done = command("verify", "--rerun", str(path), "--json")
    assert (done.code, done.json[str(path)]["expected_equal"]) == (0, False), done.out


def test_a_rerun_without_its_rule_is_told_and_not_raised(command: Command, store: Path) -> None:
    import hashlib

    from benchsuite.records.keys import run_result_key
    from benchsuite.records.model import RunRecord
    from benchsuite.specs.hashing import spec_hash

    path = record_of(store)
    edit(path, "spec", "rule", "name", value="gone")
    record = RunRecord.model_validate_json(path.read_text())
    whole = spec_hash(record.spec)
    assert record.data is not None
    key = run_result_key(whole, record.environment, record.data.fingerprint)
    assert len(key) == len(hashlib.sha256().hexdigest())
    for field, value in (("spec_hash", whole), ("run_id", whole[:16]), ("result_key", key)):
        edit(path, field, value=value)
    path = path.rename(path.with_name(f"{whole[:16]}.json"))
    done = command("verify", "--rerun", str(path))
    assert done.code == 1
    assert "cannot be run again here" in done.out
    assert "gone" in done.out


@pytest.mark.parametrize("path", ["/etc", "../secret", "a/../../b", "~/x", "C:\\x", "..\\x", "~root"])
def test_no_path_of_a_record_leads_out_of_the_data_root(path: str) -> None:
    with pytest.raises(DataError, match="not followed"):
        require_inside(ArraysDataset(kind="arrays", name="mine", path=path))


def test_settings_for_a_plugins_reader_are_not_taken_from_a_record() -> None:
    require_inside(ArraysDataset(kind="arrays", name="mine", path="cifar10-jpeg75"))
    with pytest.raises(DataError, match="plugin"):
        require_inside(PluginDataset(kind="plugin", name="mine", reader="theirs", options={"file": "/etc/passwd"}))


def test_lint_has_an_exit_code(command: Command, store: Path, tmp_path: Path) -> None:
    command("export", "--store", str(store), "--out", "out")
    report = command("records", "lint", "out", "--json")
    # Of a checkout with changes that are not committed, the record itself says so.
    others = [f for f in report.json["findings"] if f["problem"] and "git state" not in f["message"]]
    assert (report.json["records"], others) == (1, [])
    (tmp_path / "out" / "digits-fc" / "notes.txt").write_text("x")
    done = command("records", "lint", "out")
    assert done.code == 1
    assert "notes.txt: not a record" in done.out
    assert command("records", "lint", "nowhere").code == 5


def test_lint_and_export_import_nothing_heavy(tmp_path: Path) -> None:
    """CI runs the lint on every change: it has to stay a matter of a second."""
    import subprocess
    import sys

    code = (
        "import sys; from benchsuite.cli.main import run_command; run_command(['records', 'lint', '.']);"
        "heavy = {'torch', 'mlflow', 'scipy', 'numpy'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
