"""Oracle: the record itself. A result that was worked out is somewhere, whatever becomes of its store."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchsuite.errors import StoreError
from benchsuite.records import store as store_module
from benchsuite.records.model import RunRecord
from benchsuite.records.reading import read_record, record_text
from benchsuite.records.running import marked_running
from benchsuite.records.store import RecordStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordStore:
    """Return a prepared store; temporary folders are made beside it."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    made = RecordStore(tmp_path / "store")
    made.prepare()
    return made


def is_full(_store: RecordStore, patch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr("benchsuite.files.os.fsync", full)


def is_read_only(_store: RecordStore, patch: pytest.MonkeyPatch) -> None:
    # Not by permissions: a test may run as root, for whom there are none.
    opened = Path.open

    def refuse(self: Path, mode: str = "r", *arguments: object, **options: object) -> object:
        if "x" in mode:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        return opened(self, mode, *arguments, **options)  # type: ignore[call-overload]

    patch.setattr(Path, "open", refuse)


def is_a_file_now(store: RecordStore, _patch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(store.root)
    store.root.write_text("no folder")


@pytest.mark.parametrize("happens", [is_full, is_read_only, is_a_file_now])
def test_a_result_is_kept_elsewhere_if_its_store_cannot_take_it(
    committed: RunRecord,
    store: RecordStore,
    monkeypatch: pytest.MonkeyPatch,
    happens: Callable[[RecordStore, pytest.MonkeyPatch], None],
) -> None:
    """Catches hours of training that are lost because a disk was full when they ended."""
    happens(store, monkeypatch)
    with pytest.raises(StoreError) as caught:
        store.write(committed)
    (folder,) = Path(tempfile.gettempdir()).iterdir()
    (kept,) = folder.iterdir()
    assert kept.name == f"{committed.run_id}.json"
    assert read_record(kept) == committed
    assert str(kept) in str(caught.value)
    assert "cannot write" in str(caught.value)


def test_a_result_goes_to_standard_output_if_no_folder_takes_it(
    committed: RunRecord, store: RecordStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    is_full(store, monkeypatch)
    monkeypatch.setattr(tempfile, "tempdir", str(store.root / "nowhere"))
    with pytest.raises(StoreError, match="standard output"):
        store.write(committed)
    assert capsys.readouterr().out == record_text(committed)


def test_a_store_that_was_deleted_is_made_again_for_the_result(committed: RunRecord, store: RecordStore) -> None:
    shutil.rmtree(store.root)
    with marked_running(store.running_folder, committed.run_id):
        shutil.rmtree(store.root)
        store.write(committed)
    assert store.find(committed.run_id) == committed


def test_the_end_of_a_run_survives_a_store_that_is_gone(store: RecordStore) -> None:
    """Catches a traceback out of the removal of a mark, which would hide the message about the result."""
    with marked_running(store.running_folder, "ab"):
        is_a_file_now(store, pytest.MonkeyPatch())


@pytest.mark.parametrize("content", [b"", b'{"run_id": ', b"\x00" * 500])
def test_a_damaged_record_is_kept_aside_when_it_is_made_again(
    committed: RunRecord, store: RecordStore, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """Catches a file, perhaps of a newer version, that is replaced without a word."""
    path = store.path_of(committed.run_id)
    for number in ("", "-2"):
        path.write_bytes(content)
        assert store.find(committed.run_id) is None
        store.write(committed)
        aside = path.with_name(f"{path.name}.damaged{number}")
        assert aside.read_bytes() == content
        assert str(aside) in caplog.text
    assert store.find(committed.run_id) == committed
    store.write(committed)
    assert len(list(path.parent.iterdir())) == 3


def test_a_finished_record_of_other_code_is_kept_when_its_run_is_made_again(
    committed: RunRecord, store: RecordStore
) -> None:
    """Catches results that are lost because the rule's edited file crashes in the run that replaces them."""
    older = committed.model_copy(update={"result_key": "ab" * 32})
    store.write(older)
    store.write(older)
    assert not store.replaced_folder.exists()
    store.write(committed.model_copy(update={"status": "crashed", "reason": "RuntimeError"}))
    (kept,) = store.replaced_folder.iterdir()
    assert read_record(kept) == older
    store.write(committed)
    assert [*store.replaced_folder.iterdir()] == [kept]
    assert store.find(committed.run_id) == committed


def test_what_killed_processes_left_half_written_is_deleted_once_it_is_old(
    store: RecordStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (store.checkpoints_folder / f".{name}.pt.0123456789abcdef.tmp" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"x")
    os.utime(old, (0, 0))
    store.prepare()
    assert (old.exists(), new.exists()) == (False, True)
    (store.checkpoints_folder / ".site.abc.tmp").mkdir()
    monkeypatch.setattr(store_module, "LEFT_OVER_AFTER_S", 0.0)
    store.prepare()
    assert not list(store.checkpoints_folder.iterdir())
