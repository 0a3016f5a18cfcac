"""Oracle: the records themselves. What goes out and comes in again is what was there, to the last byte."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchsuite import files
from benchsuite.files import create_text_atomically
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import BrokenRecord, read_document, record_text
from benchsuite.records.store import RecordStore, read_folder, read_studies, record_files
from benchsuite.records.transfer import place_by_track, place_in_store, transfer

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
SETTINGS = st.dictionaries(
    TEXTS, st.recursive(NUMBERS | TEXTS | st.booleans() | st.none() | st.integers(), st.lists, max_leaves=5), max_size=3
)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.json"))}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    config=SETTINGS,
    seed=st.integers(0, 2**31 - 1),
    reason=TEXTS,
    losses=st.lists(NUMBERS, max_size=3),
    track=st.from_regex(r"[a-z0-9][a-z0-9_.-]{0,20}", fullmatch=True) | st.sampled_from(["studies", "experiments"]),
    value=NUMBERS,
)
def test_export_import_export_is_the_identity(
    committed: RunRecord,
    seal: Any,
    put: Any,
    tmp_path_factory: Any,
    config: dict[str, Any],
    seed: int,
    reason: str,
    losses: list[float],
    track: str,
    value: float,
) -> None:
    """Catches floats that lose digits, settings that change their type, and texts that are escaped twice."""
    epochs = [
        committed.epochs[0].model_dump(mode="json") | {"epoch": i, "running_loss": x} for i, x in enumerate(losses, 1)
    ]
    record = seal(
        committed,
        {"rule": {"name": "backprop", "config": config}, "seed": seed, "track": track},
        reason=reason,
        status="diverged",
        epochs=epochs,
        diagnostics=[{"diagnostic": reason, "segment": None, "epoch": 0, "value": value}],
    )
    folder = tmp_path_factory.mktemp("identity")
    source = put(record, folder / "source")
    first, second, store = folder / "first", folder / "second", RecordStore(folder / "store")
    with pytest.MonkeyPatch.context() as patch:
        # Any number and text may be copied here; drawn ones do not agree with each other.
        patch.setattr("benchsuite.records.transfer.inconsistencies", lambda record, path: [])
        assert transfer([source], place_by_track(first)).complete
        assert transfer(record_files(first), place_in_store(store)).complete
        assert transfer(record_files(store.records_folder), place_by_track(second)).complete
    assert bytes_of(first) == bytes_of(second)
    assert list(bytes_of(first).values()) == [source.read_bytes()]
    assert list(read_folder(second)) == [record]
    assert store.find(record.run_id) == record


def test_studies_go_their_own_way_and_come_back(tmp_path: Path) -> None:
    committed = Path(__file__).resolve().parents[2] / "leaderboard" / "records"
    every = list(record_files(committed))
    some = [*every[::10], *(path for path in every[1:] if "studies" in path.parts)]
    count = len(set(some))
    store = RecordStore(tmp_path / "store")
    assert transfer(some, place_in_store(store)).complete
    done = transfer(record_files(store.records_folder, store.studies_folder), place_by_track(tmp_path / "out"))
    assert len(done.written) == count > 1
    assert [r for r in read_studies(tmp_path / "out") if not isinstance(r, BrokenRecord)]
    again = transfer(record_files(tmp_path / "out"), place_in_store(store))
    assert (len(again.unchanged), again.written) == (count, [])


def test_a_different_record_is_never_overwritten_unasked(
    committed: RunRecord, seal: Any, put: Any, tmp_path: Path
) -> None:
    there = put(committed, tmp_path / "store" / "records")
    other = put(seal(committed, resumed=1), tmp_path / "in")
    store = RecordStore(tmp_path / "store")
    before = there.read_bytes()
    done = transfer([other], place_in_store(store))
    assert (done.conflicts, done.complete, there.read_bytes()) == ([there], False, before)
    assert transfer([other], place_in_store(store), replace=True).written == [there]
    assert there.read_bytes() == other.read_bytes()


def test_a_broken_file_that_is_in_the_way_is_a_conflict(committed: RunRecord, put: Any, tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "store")
    store.prepare()
    store.path_of(committed.run_id).write_text("{")
    done = transfer([put(committed, tmp_path)], place_in_store(store))
    assert done.conflicts == [store.path_of(committed.run_id)]


def test_a_record_written_otherwise_is_the_same_record(committed: RunRecord, put: Any, tmp_path: Path) -> None:
    store = RecordStore(tmp_path / "store")
    store.prepare()
    store.path_of(committed.run_id).write_text(json.dumps(committed.model_dump(mode="json")))
    assert transfer([put(committed, tmp_path)], place_in_store(store)).unchanged


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"spec_hash": "ab" * 32}, "spec_hash"),
        ({"run_id": "ab" * 8}, "run_id"),
        ({"result_key": "ab" * 32}, "result_key"),
        ({"epochs": ()}, "0 of 20 epochs"),
    ],
)
def test_what_contradicts_itself_gets_no_place(
    committed: RunRecord, put: Any, tmp_path: Path, change: dict[str, Any], told: str
) -> None:
    done = transfer([put(committed.model_copy(update=change), tmp_path)], place_in_store(RecordStore(tmp_path / "s")))
    (refused,) = done.refused
    assert told in refused.reason
    assert not (tmp_path / "s").exists()


def test_a_file_of_the_wrong_name_gets_no_place(committed: RunRecord, put: Any, tmp_path: Path) -> None:
    path = put(committed, tmp_path).rename(tmp_path / "0123456789abcdef.json")
    (refused,) = transfer([path], place_in_store(RecordStore(tmp_path / "s"))).refused
    assert "file name" in refused.reason


@pytest.mark.parametrize("links", [True, False])
def test_of_two_that_write_at_once_the_second_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """A rename would silently replace what another process wrote between looking and writing."""
    if not links:

        def refuse(*_: object) -> None:
            raise PermissionError("no links here")

        monkeypatch.setattr(os, "link", refuse)
    create_text_atomically(tmp_path / "a", "first")
    with pytest.raises(FileExistsError):
        create_text_atomically(tmp_path / "a", "second")
    assert (tmp_path / "a").read_text() == "first"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert files.os is os


def test_reading_again_is_reading_what_was_written(
    committed: RunRecord, put: Callable[..., Path], tmp_path: Path
) -> None:
    assert record_text(read_document(put(committed, tmp_path))) == record_text(committed)  # type: ignore[arg-type]
