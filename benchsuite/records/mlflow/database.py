"""MLflow's SQLite database: made beside its place and renamed, and made anew if it is damaged or half made."""

from __future__ import annotations

import logging
import secrets
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from benchsuite.errors import MirrorError, StoreError
from benchsuite.files import discard, remove_left_over, set_aside
from benchsuite.records.mlflow.uris import TrackingUri, default_tracking_uri

logger = logging.getLogger("benchsuite.records.mlflow")

Client = TypeVar("Client")

JOURNALS = ("-journal", "-wal", "-shm")
"""Endings of the files in which SQLite keeps a transaction; beside another database they would be applied to it."""


def open_database(uri: TrackingUri, store: Path, connect: Callable[[TrackingUri], Client]) -> Client:
    """Open a tracking store; a SQLite database that is missing is made, and this store's own is mended if needed.

    MLflow makes a database in fifty steps. A process that is killed in between leaves one that no later process can
    open, so a new one gets its name only once it is complete. The caller must hold the lock.

    Args:
        uri: address of the tracking store.
        store: folder of records; only its own database is set aside, because all of it can be made anew.
        connect: opens an address, and creates what is missing there.

    Raises:
        MirrorError: if it cannot be opened.

    """
    path = uri.sqlite_path
    if path is None:
        return connect(uri)
    remove_left_over(path.parent, path.name)  # of processes that were killed while they made it
    if not path.exists():
        _create(path, uri, connect)
    try:
        return connect(uri)
    except MirrorError as error:
        if not set_aside_if_damaged(uri, store, str(error)):
            raise
    _create(path, uri, connect)
    return connect(uri)


def set_aside_if_damaged(uri: TrackingUri, store: Path, reason: str) -> bool:
    """Set this store's own database aside if it is damaged or half made, and warn; return True if it was.

    Args:
        uri: address of the tracking store.
        store: folder of records.
        reason: why the database could not be used.

    Raises:
        MirrorError: if it is damaged and not this store's own, or cannot be renamed; the message names the remedy.

    """
    path = uri.sqlite_path
    damage = damage_of(path) if path is not None and path.exists() else ""
    if path is None or not damage:
        return False
    if uri.raw != default_tracking_uri(store):
        raise MirrorError(f"{reason}; {path} {damage}: move it away, then `benchsuite sync` makes it anew")
    _forget(uri)
    try:
        aside = set_aside(path)
    except StoreError as error:
        raise MirrorError(f"{reason}; {path} {damage}, and {error}") from error
    for ending in JOURNALS:
        with suppress(OSError):
            path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    logger.warning(
        "MLflow's database %s %s; it is kept as %s and made anew. `benchsuite sync` mirrors all records again.",
        path,
        damage,
        aside,
    )
    return True


def damage_of(path: Path) -> str:
    """Return what is wrong with a SQLite database of MLflow; empty if nothing is known to be."""
    try:
        # Read only: a look must not create, repair or lock anything.
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=5.0)) as database:
            problems = [row[0] for row in database.execute("PRAGMA quick_check(1)")]
            if problems != ["ok"]:
                return "is damaged"
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if any(name.startswith("_alembic_tmp_") for name in tables):
                return "was left half made by a process that was killed"
            if not tables:
                return ""  # MLflow fills an empty one
            version = "alembic_version" in tables and database.execute("SELECT * FROM alembic_version").fetchone()
            if not version or "runs" not in tables or not database.execute("SELECT 1 FROM runs").fetchone():
                return "was left half made by a process that was killed"
    except sqlite3.OperationalError:
        return ""  # locked, or not readable: nothing is known
    except sqlite3.DatabaseError:
        return "is damaged"
    return ""


def _create(path: Path, uri: TrackingUri, connect: Callable[[TrackingUri], Client]) -> None:
    """Make a database in a folder beside its place, and move it there when it is complete."""
    folder = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        folder.mkdir(parents=True)
        unfinished = folder / path.name
        new = TrackingUri(uri.raw.replace(path.as_posix(), unfinished.as_posix(), 1))
        connect(new)
        _forget(new)
        _hide_default_experiment(unfinished)
        for ending in JOURNALS:
            discard(path.with_name(path.name + ending))
        unfinished.replace(path)
    except OSError as error:
        raise MirrorError(f"cannot create {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hide_default_experiment(path: Path) -> None:
    """Mark MLflow's own empty experiment as deleted: no run of ours is in it, and its files would go to ./mlruns."""
    # Not removed: MLflow makes it anew whenever it opens a database that has none.
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = 0")


def _forget(uri: TrackingUri) -> None:
    """Close MLflow's connections to a database: they would go on reading and writing the renamed file."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engines = getattr(SqlAlchemyStore, "_engine_map", {})  # of MLflow 3.17; without it, nothing is kept
    engine = engines.pop(uri.raw, None)
    if engine is not None:
        engine.dispose()
