"""Oracle: the records. Whatever a kill leaves of MLflow's database, one ``sync`` mirrors all of them again."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchsuite.cli.main import run_command
from benchsuite.errors import MirrorError
from benchsuite.records.mlflow import connection, database
from benchsuite.records.mlflow.database import damage_of, open_database
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.uris import TrackingUri, default_tracking_uri
from benchsuite.records.store import RecordStore


def half_migrated(path: Path) -> None:
    """Write what a SIGKILL during MLflow's migrations was seen to leave."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for table in ("experiments", "_alembic_tmp_experiments"):
            connection.execute(f"CREATE TABLE {table} (experiment_id INTEGER PRIMARY KEY, name TEXT)")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.commit()


def no_database(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 no database" * 1000)


def blocks_lost(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + bytes(len(content) - 8192))


@pytest.mark.parametrize(
    "message",
    [
        'IntegrityError: duplicate key value violates unique constraint "pg_type_typname_nsp_index"',
        'ProgrammingError: (psycopg2.errors.DuplicateTable) relation "experiments" already exists',
    ],
)
def test_commands_that_open_a_new_database_of_a_server_at_once_all_mirror(
    monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    """Catches runs whose mirror stays empty until ``sync`` because another command was creating the tables."""
    monkeypatch.setattr(connection, "time", SimpleNamespace(monotonic=time.monotonic, sleep=lambda seconds: None))
    errors = [MirrorError(message)] * 2

    def open_it() -> str:
        if errors:
            raise errors.pop()
        return "client"

    assert connection.retried(open_it) == "client"


@pytest.mark.parametrize("breaks", [half_migrated, no_database, blocks_lost])
def test_sync_makes_a_broken_database_anew(
    store: RecordStore,
    make_record: Callable[..., Any],
    migrated_database: Path,
    monkeypatch: pytest.MonkeyPatch,
    breaks: Callable[[Path], None],
) -> None:
    """Catches a mirror that stays broken for ever, with one warning per run and no remedy."""
    records = [make_record(seed=seed) for seed in (0, 1)]
    for record in records:
        store.write(record)
    # As it makes one for the fixture, in 3 s.
    monkeypatch.setattr(database, "_create", lambda path, *_: shutil.copy(migrated_database, path))
    path = store.root / "mlflow.db"
    breaks(path)
    broken = path.read_bytes()
    path.with_name("mlflow.db-journal").write_bytes(b"")
    assert run_command(["sync", "--store", str(store.root)]) == 0
    runs = Mirror.open(default_tracking_uri(store.root), store.root).runs()
    assert sorted(run.data.tags["benchsuite.run_id"] for run in runs) == sorted(record.run_id for record in records)
    assert path.with_name("mlflow.db.damaged").stat().st_size >= len(broken) // 2
    assert not list(store.root.glob(".mlflow.db.*.tmp"))


def test_a_whole_database_is_not_taken_for_a_broken_one(
    store: RecordStore, make_record: Callable[..., Any], migrated_database: Path
) -> None:
    """Catches notes in MLflow that are set aside because a server was busy or a newer MLflow reads the file."""
    path = store.root / "mlflow.db"
    shutil.copy(migrated_database, path)
    Mirror.open(default_tracking_uri(store.root), store.root).upsert(make_record())
    assert damage_of(path) == ""

    def busy(_uri: TrackingUri) -> None:
        raise MirrorError("database is locked")

    with pytest.raises(MirrorError, match="is locked"):
        open_database(TrackingUri(default_tracking_uri(store.root)), store.root, busy)
    assert path.exists()


def test_a_database_gets_its_name_when_it_is_complete(store: RecordStore) -> None:
    """Catches a kill during the migrations that leaves a half-made database in the place of a whole one."""
    path = store.root / "mlflow.db"
    path.unlink()
    left_over = store.root / ".mlflow.db.0123456789abcdef.tmp"
    left_over.mkdir()

    class Killed(BaseException):
        pass

    def make(uri: TrackingUri) -> None:
        assert uri.sqlite_path is not None
        uri.sqlite_path.write_bytes(b"half")
        raise Killed

    with pytest.raises(Killed):
        open_database(TrackingUri(default_tracking_uri(store.root)), store.root, make)
    assert not path.exists()
    assert not left_over.exists()


def test_another_database_is_named_and_left_alone(store: RecordStore, tmp_path: Path) -> None:
    path = tmp_path / "mine.db"
    half_migrated(path)

    def fails(_uri: TrackingUri) -> None:
        raise MirrorError("cannot open")

    with pytest.raises(MirrorError, match="move it away"):
        database.open_database(TrackingUri(f"sqlite:///{path}"), store.root, fails)
    assert path.exists()
