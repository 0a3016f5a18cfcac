"""Oracle: disturbances that a campaign of ``scripts/campaigns`` must notice. One that cannot fail shows nothing."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

from benchsuite.records.store import RecordStore

from .factories import make_record
from .scripts import SCRIPTS

CAMPAIGNS = SCRIPTS / "campaigns"


@pytest.fixture(scope="module", autouse=True)
def found() -> None:
    if str(CAMPAIGNS) not in sys.path:
        sys.path.append(str(CAMPAIGNS))


def load(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", sorted(p.stem for p in CAMPAIGNS.glob("*.py") if "__main__" in p.read_text("utf-8")))
def test_a_campaign_starts_and_says_what_it_does(name: str, monkeypatch, capsys) -> None:
    """Catches a script that a renamed function of the suite has broken, which no other test would run."""
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        load(name).main()
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("usage: ")


def test_records_are_equal_but_for_times_and_resumptions() -> None:
    """Catches a comparison that leaves out what a kill could change, and then finds all equal."""
    numbers_of = load("commands").numbers_of
    record = make_record()
    assert numbers_of(record) == numbers_of(record.model_copy(update={"resumed": 3, "command": "another"}))
    assert numbers_of(record) != numbers_of(make_record(test_error=0.10001))
    assert numbers_of(record) != numbers_of(record.model_copy(update={"status": "diverged"}))


def test_what_a_killed_command_leaves_is_seen(tmp_path: Path) -> None:
    """Catches a campaign that looks for left-over files in the wrong folders."""
    store = RecordStore(tmp_path)
    store.prepare()
    store.write(make_record())
    left_over_in = load("commands").left_over_in
    assert left_over_in(tmp_path) == []
    (store.running_folder / "a.json").write_text("{}")
    (store.records_folder / ".b.json.1f.tmp").write_text("{")
    assert left_over_in(tmp_path) == ["records/.b.json.1f.tmp", "running/a.json"]


def test_an_address_of_another_machine_is_seen() -> None:
    """Catches a filter of traces that takes every connection for one of this machine."""
    ours = '1 connect(3, {sa_family=AF_INET, sin_port=htons(5417), sin_addr=inet_addr("127.0.0.1")}, 16) = 0'
    counts, found = load("phones").outside(f"{ours}\n{ours.replace('127.0.0.1', '192.0.2.7')}")
    assert counts["connect"] == 2
    assert len(found) == 1
    assert "192.0.2.7" in found[0]
