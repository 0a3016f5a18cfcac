"""Oracle: the promises of atomic files, and hostile ones."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from benchsuite.errors import StoreError
from benchsuite.files import write_text_atomically
from benchsuite.records import running
from benchsuite.records.running import (
    LEASE_S,
    RunningElsewhereError,
    alive_run_ids,
    marked_running,
    process_started_at,
)
from benchsuite.records.store import MAX_RECORD_BYTES, SITE_MARKER, BrokenRecord, RecordStore, read_record, record_files


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "line 1 column 1"),
        (b"{", "line 1 column 2"),
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


CLAIMS_AND_WAITS = """
import sys, time
from pathlib import Path
from benchsuite.records.running import marked_running

with marked_running(Path(sys.argv[1]), "abc"):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_gives_its_run_back(tmp_path: Path) -> None:
    """Catches a claim that outlives its process, and one that is given up while the process lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIMS_AND_WAITS, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        assert alive_run_ids(tmp_path) == {"abc"}
        with pytest.raises(RunningElsewhereError), marked_running(tmp_path, "abc"):
            pass
    finally:
        process.kill()
        process.communicate()
    assert list(tmp_path.glob("abc.json")), "nobody would see that it was killed"
    assert alive_run_ids(tmp_path) == set()
    with marked_running(tmp_path, "abc"):
        assert alive_run_ids(tmp_path) == {"abc"}
    assert not list(tmp_path.iterdir())


def test_a_locked_run_is_alive_whatever_its_process_id_says(tmp_path: Path) -> None:
    """Containers number processes anew: one with this host's name may be at a run under a number unknown here."""
    with marked_running(tmp_path, "abc"):
        marker = json.loads((tmp_path / "abc.json").read_text())
        (tmp_path / "abc.json").write_text(json.dumps(marker | {"pid": dead_pid(), "process_started_at": 1.0}))
        assert alive_run_ids(tmp_path) == {"abc"}


def test_a_lock_that_is_voided_does_not_block_the_next_try(tmp_path: Path) -> None:
    """Catches a lost machine's run that nobody can take up: its lock may be held until the file server gives it up."""
    store = RecordStore(tmp_path)
    store.prepare()
    with marked_running(store.running_folder, "abc"):
        store.release_lock("abc")
        assert alive_run_ids(store.running_folder) == set()
        with marked_running(store.running_folder, "abc"):
            assert alive_run_ids(store.running_folder) == {"abc"}


def test_a_process_that_counted_as_lost_and_ends_late_leaves_the_lock_of_its_successor(tmp_path: Path) -> None:
    """Catches a run that nobody waits for at Ctrl-C, since the end of its lost predecessor took its lock away."""
    store = RecordStore(tmp_path)
    store.prepare()
    lost = marked_running(store.running_folder, "abc")
    lost.__enter__()
    store.release_lock("abc")
    with marked_running(store.running_folder, "abc"):
        lost.__exit__(None, None, None)
        assert alive_run_ids(store.running_folder) == {"abc"}
    assert not list(store.running_folder.iterdir())


def test_without_locks_the_process_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches runs that cannot be made at all, or made twice at once, on a file system that has no locks."""

    def none_here(*_arguments: object, **_options: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr("filelock.FileLock.acquire", none_here)
    with marked_running(tmp_path, "abc"):
        assert alive_run_ids(tmp_path) == {"abc"}
        with pytest.raises(RunningElsewhereError), marked_running(tmp_path, "abc"):
            pass
    assert not list(tmp_path.iterdir())
    (tmp_path / "abc.json").write_text(mark(pid=dead_pid(), process_started_at=1.0))
    assert alive_run_ids(tmp_path) == set()


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def mark(**fields: object) -> str:
    """Return a marker as versions without locks wrote it."""
    return json.dumps({"run_id": "abc", "pid": os.getpid(), "host": socket.gethostname()} | fields)


def test_an_older_versions_mark_of_a_dead_process_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "abc.json").write_text(mark(pid=dead_pid(), process_started_at=1.0))
    assert alive_run_ids(tmp_path) == set()
    with marked_running(tmp_path, "abc"):
        pass
    assert not list(tmp_path.iterdir())


def test_an_older_version_that_is_at_a_run_keeps_it(tmp_path: Path) -> None:
    """Catches an update under a long training, whose run the next command would make a second time."""
    (tmp_path / "abc.json").write_text(mark(process_started_at=process_started_at(os.getpid())))
    assert alive_run_ids(tmp_path) == {"abc"}
    with pytest.raises(RunningElsewhereError), marked_running(tmp_path, "abc"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["abc.json"]


def test_a_later_process_with_the_same_number_is_not_taken_for_the_dead_one(tmp_path: Path) -> None:
    began = process_started_at(os.getpid())
    assert began is not None
    (tmp_path / "abc.json").write_text(mark(process_started_at=began - 3600))
    assert alive_run_ids(tmp_path) == set()


@pytest.mark.parametrize("silent_s", [0, 10 * LEASE_S])
def test_an_older_versions_mark_of_another_host_counts_as_alive(tmp_path: Path, silent_s: float) -> None:
    """It gave no signs of life, so that only a person can tell; the message names the file to delete."""
    path = tmp_path / "abc.json"
    path.write_text(mark(pid=1, host="elsewhere", locked=True))
    os.utime(path, (time.time() - silent_s,) * 2)
    assert alive_run_ids(tmp_path) == {"abc"}
    with pytest.raises(RunningElsewhereError, match=f"delete {path}"), marked_running(tmp_path, "abc"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["abc.json"]


def test_another_hosts_run_is_taken_over_once_its_lease_is_over(tmp_path: Path) -> None:
    """Catches a pod that was killed and started again under another name, and that waits for itself for ever."""
    path = tmp_path / "abc.json"
    path.write_text(mark(pid=1, host="elsewhere", locked=True, token="ab"))
    os.utime(path, (time.time() - LEASE_S / 2,) * 2)
    assert alive_run_ids(tmp_path) == {"abc"}
    said = "process 1 on elsewhere is at run abc.* 90 s ago; taken over after 180 s"
    with pytest.raises(RunningElsewhereError, match=said), marked_running(tmp_path, "abc"):
        pass
    os.utime(path, (time.time() - LEASE_S - 1,) * 2)
    assert alive_run_ids(tmp_path) == set()
    with marked_running(tmp_path, "abc"):
        assert alive_run_ids(tmp_path) == {"abc"}
    assert not list(tmp_path.iterdir())


def test_a_run_gives_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a lease that ends under a process that is alive, so that two machines make one run."""
    monkeypatch.setattr(running, "HEARTBEAT_S", 0.005)
    path = tmp_path / "abc.json"
    with marked_running(tmp_path, "abc"):
        os.utime(path, (0, 0))
        deadline = time.monotonic() + 10
        while path.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.005)
    assert not [thread for thread in threading.enumerate() if thread.name == "benchsuite-heartbeat"]


def test_a_run_that_another_machine_took_over_keeps_its_mark(tmp_path: Path) -> None:
    """Catches a process that was stopped for an hour, and at its end takes the mark of its successor away."""
    path = tmp_path / "abc.json"
    with marked_running(tmp_path, "abc"):
        path.write_text(mark(host="elsewhere", token="ab"))
    assert path.exists()


def test_marks_of_dead_processes_are_cleared_and_others_stay(tmp_path: Path) -> None:
    store = RecordStore(tmp_path)
    store.prepare()
    (store.running_folder / "dead.json").write_text(mark(pid=dead_pid(), process_started_at=1.0))
    (store.running_folder / "text.json").write_text("no mark")
    (store.running_folder / "other.json").write_text(mark(host="elsewhere"))
    with marked_running(store.running_folder, "abc"):
        store.prepare()
        assert {path.name for path in store.running_folder.iterdir()} == {"abc.json", "abc.lock", "other.json"}


@pytest.mark.parametrize("content", ["{", mark(pid=-1), mark(pid=10**30)])
def test_a_damaged_mark_does_not_block(tmp_path: Path, content: str) -> None:
    (tmp_path / "abc.json").write_text(content)
    assert alive_run_ids(tmp_path) == set()
    with marked_running(tmp_path, "abc"):
        pass


def test_what_killed_processes_left_half_written_goes_from_every_folder_of_a_store(tmp_path: Path) -> None:
    """Catches temporary files of the store's own marker, or of a record, that stay for ever; a new one is in use."""
    store = RecordStore(tmp_path / "store")
    store.prepare()
    old = [folder / ".a.json.12ab.tmp" for folder in (store.root, store.records_folder, store.checkpoints_folder)]
    new = store.root / ".a.json.34cd.tmp"
    for path in (*old, new):
        path.touch()
    for path in old:
        os.utime(path, (0, 0))
    store.prepare()
    assert [path for path in (*old, new) if path.exists()] == [new]
