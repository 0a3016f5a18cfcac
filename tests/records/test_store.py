"""Oracle: the promises of atomic files, and hostile ones."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchsuite.errors import StoreError
from benchsuite.files import write_text_atomically
from benchsuite.records.running import (
    HALF_WRITTEN_FOR_S,
    RunningElsewhereError,
    alive_run_ids,
    marked_running,
    process_started_at,
)
from benchsuite.records.store import MAX_RECORD_BYTES, SITE_MARKER, BrokenRecord, RecordStore, read_record, record_files


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "EOF"),
        (b"{", "EOF"),
        (b"[]", "document"),
        (b'{"run_id": 2}', "problems in all"),
        (b'{"schema_version": 2}', "reads up to 1"),
        (b"\xff\xfe", ""),
        (b"[" * 100_000, ""),
        (b'{"run_id": NaN}', ""),
    ],
)
def test_a_broken_record_is_described_not_raised(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    found = read_record(path)
    assert isinstance(found, BrokenRecord)
    assert reason in found.reason
    assert len(found.reason) < 400


def test_a_file_too_large_to_be_a_record_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as stream:
        stream.truncate(MAX_RECORD_BYTES + 1)
    assert "at most" in getattr(read_record(path), "reason", "")


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_text_atomically(path, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        write_text_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_record_files_are_the_same_for_every_reader(tmp_path: Path) -> None:
    """Catches a site's tables for download that are taken for records, or a misspelt file that is skipped."""
    given, gone = tmp_path / "given.txt", tmp_path / "gone.json"
    inner, table = tmp_path / "records" / "digits-fc" / "b.json", tmp_path / "records" / "site" / "tables" / "a.json"
    for path in (given, inner, table, table.parents[1] / SITE_MARKER):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert record_files(given, gone, tmp_path / "no-folder", tmp_path / "records") == [given, gone, inner]


def test_a_record_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert RecordStore(tmp_path).find("abc") is None


def test_a_claimed_run_is_refused_to_others_until_the_block_ends(tmp_path: Path) -> None:
    with marked_running(tmp_path, "abc"):
        assert alive_run_ids(tmp_path) == {"abc"}
        with pytest.raises(RunningElsewhereError), marked_running(tmp_path, "abc"):
            pass
        assert alive_run_ids(tmp_path) == {"abc"}, "the refused one must not take the mark with it"
    assert not list(tmp_path.iterdir())


def test_the_mark_of_a_dead_process_does_not_block(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    mark = {"run_id": "abc", "pid": int(done.stdout), "host": socket.gethostname(), "process_started_at": 1.0}
    (tmp_path / "abc.json").write_text(json.dumps(mark))
    assert alive_run_ids(tmp_path) == set()
    with marked_running(tmp_path, "abc"):
        pass


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system does not tell when a process began")
def test_a_later_process_with_the_same_number_is_not_taken_for_the_dead_one(tmp_path: Path) -> None:
    began = process_started_at(os.getpid())
    assert began is not None
    mark = {"run_id": "abc", "pid": os.getpid(), "host": socket.gethostname(), "process_started_at": began - 3600}
    (tmp_path / "abc.json").write_text(json.dumps(mark))
    assert alive_run_ids(tmp_path) == set()


def test_a_mark_of_another_host_counts_as_alive(tmp_path: Path) -> None:
    (tmp_path / "abc.json").write_text(json.dumps({"run_id": "abc", "pid": 1, "host": "elsewhere"}))
    assert alive_run_ids(tmp_path) == {"abc"}


def test_an_unreadable_mark_blocks_only_while_it_may_be_half_written(tmp_path: Path) -> None:
    path = tmp_path / "abc.json"
    path.write_text("{")
    assert alive_run_ids(tmp_path) == {"abc"}
    long_ago = time.time() - 2 * HALF_WRITTEN_FOR_S
    os.utime(path, (long_ago, long_ago))
    assert alive_run_ids(tmp_path) == set()
