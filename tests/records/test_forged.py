"""Oracle: a right record, and one thing in it that cannot be. The long form is ``scripts/forge.py``."""

from __future__ import annotations

import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchsuite.records.model import RunRecord
from benchsuite.records.reading import BrokenRecord, read_record, record_text

from ..scripts import load_script
from .conftest import COMMITTED

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def forge() -> ModuleType:
    return load_script("forge")


def test_no_contradiction_is_accepted(forge: ModuleType, tmp_path: Path) -> None:
    """Catches a record of 7 of 10,000 examples, or of other seeds, that ``verify`` calls right."""
    assert forge.problems_of_record(COMMITTED) == []
    tally = forge.contradicted_records(COMMITTED, tmp_path)
    assert tally.tried >= 30
    assert tally.is_clean, str(tally)


def test_no_record_changed_at_random_is_accepted(forge: ModuleType, tmp_path: Path) -> None:
    tally = forge.mutated_records([COMMITTED], 80, tmp_path, random.Random(15))  # noqa: S311 - a sample
    assert tally.tried == 80
    assert tally.is_clean, str(tally)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("network", "parameters"), "1333770"),
        (("epochs", 0, "learning_rate"), "-9999"),
        (("resumed",), False),
        (("timing", "train_time_s"), True),
        (("spec", "seed"), "0"),
        (("spec", "protocol", "stop_at_zero_train_error"), 1),
    ],
)
def test_a_value_of_another_type_is_named(
    committed: RunRecord, tmp_path: Path, place: tuple[Any, ...], value: object
) -> None:
    """Catches ``true`` that is read as 1: the file then says something else than its reader shows."""
    plain = json.loads(record_text(committed))
    inner = plain
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    path = tmp_path / "a.json"
    path.write_text(json.dumps(plain))
    found = read_record(path)
    assert isinstance(found, BrokenRecord)
    assert ".".join(map(str, place)) in found.reason


def test_a_key_that_stands_twice_is_named(committed: RunRecord, tmp_path: Path) -> None:
    """Catches a file that shows one status to a reader and another to a parser."""
    path = tmp_path / "a.json"
    path.write_text(
        record_text(committed).replace('"status": "completed"', '"status": "diverged",\n "status": "completed"')
    )
    found = read_record(path)
    assert isinstance(found, BrokenRecord)
    assert "'status' twice" in found.reason
