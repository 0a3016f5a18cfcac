"""Open a tracking store: import MLflow late and quietly, and notice within seconds if the store is down."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import filelock

from benchsuite.errors import MirrorBusyError, MirrorError
from benchsuite.records.mlflow.uris import TrackingUri, redact

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

Value = TypeVar("Value")

# Set only if the user has not set them: the user's own choice is kept.
ENVIRONMENT = {
    # mlflow/telemetry/utils.py of 3.17 reads this one and DO_NOT_TRACK when mlflow is imported.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow's default of 7 retries of 120 s each blocks a training process for minutes when a server is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # MLflow's store logs the traceback of every failed statement and the migration's progress; we report one line.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    # Otherwise it prints two lines at the end of every run, with the server's address including the password.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

CONNECT_TIMEOUT_S = 5.0
LOCK_TIMEOUT_S = 120.0
"""Longest wait for other processes; creating a new database takes 3 s, mirroring a record 0.1 s."""
RETRY_FOR_S = 30.0
PASSING_ERRORS = ("is locked", "pg_type_typname_nsp_index", "pg_class_relname_nsp_index", "DuplicateTable")
"""Parts of the errors of a SQLite store that another process uses, and of a PostgreSQL one whose tables it creates."""
ENGINE_ATTEMPTS = 3


def describe(error: BaseException) -> str:
    """Return one line about an error of MLflow or its libraries, without secrets, at most 500 characters."""
    line = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
    return redact(f"{type(error).__name__}: {line}" if line else type(error).__name__)[:500]


def out_of_date(error: Exception) -> str:
    """Return the warning that the mirror is not up to date, with what to do."""
    return (
        f"MLflow is not up to date: {redact(str(error)) or describe(error)}. Runs and their records are not affected; "
        "type `benchsuite sync` once this is solved."
    )


@contextlib.contextmanager
def reported(doing: str) -> Iterator[None]:
    """Convert every exception inside into a ``MirrorError`` that says what was being done.

    MLflow passes on errors of sqlalchemy, requests, boto and the file system, so no narrower list is complete.
    """
    try:
        yield
    except MirrorError:
        raise
    except Exception as error:
        raise MirrorError(f"{doing}: {describe(error)}") from error


def prepare_environment() -> None:
    """Switch off telemetry, long retries and verbose logging; takes effect only before MLflow is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(uri: TrackingUri) -> MlflowClient:
    """Import MLflow, open the store and create or migrate it if needed; the caller must hold the lock.

    Raises:
        MirrorError: if the store cannot be reached or opened, within seconds.

    """
    with reported(f"cannot open {uri}"):
        _try_endpoint(uri)
        mlflow_tracking = import_mlflow()
        client: MlflowClient = mlflow_tracking(tracking_uri=uri.raw)
        # The client opens its store on first use; a database is created here.
        client.search_experiments(max_results=1)
        return client


def import_mlflow() -> type[MlflowClient]:
    """Import MLflow quietly and return its client."""
    prepare_environment()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation warnings of MLflow's dependencies
        import mlflow.store.db.utils
        from mlflow.tracking import MlflowClient
    # MLflow tries a database ten times with doubling pauses, 102 s in all, for any error, and has no setting for it.
    if hasattr(mlflow.store.db.utils, "MAX_RETRY_COUNT"):
        mlflow.store.db.utils.MAX_RETRY_COUNT = min(ENGINE_ATTEMPTS, mlflow.store.db.utils.MAX_RETRY_COUNT)
    # Set again here, in case another plugin has imported MLflow before us.
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
    logging.getLogger("alembic").setLevel(logging.CRITICAL)
    client: type[MlflowClient] = MlflowClient
    return client


def _try_endpoint(uri: TrackingUri) -> None:
    endpoint = uri.endpoint
    if endpoint:
        try:
            socket.create_connection(endpoint, timeout=CONNECT_TIMEOUT_S).close()
        except OSError as error:
            raise MirrorError(f"{uri} does not answer: {describe(error)}") from error


@contextlib.contextmanager
def exclusive(uri: TrackingUri, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[None]:
    """Hold the store's lock, if the store is a file on this machine.

    If four processes open a new SQLite store at the same time, most of them crash in MLflow's migrations (3.17).

    Raises:
        MirrorBusyError: if other processes hold it for longer than ``timeout_s``.
        MirrorError: if the lock's folder is not writable.

    """
    path = uri.lock_path
    if path is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(path, timeout=timeout_s))
        except filelock.Timeout as error:
            raise MirrorBusyError(f"{path} has been locked by another process for {timeout_s:.0f} s") from error
        except OSError as error:
            raise MirrorError(f"cannot lock {path}: {error.strerror or error}") from error
        yield


def retried(action: Callable[[], Value]) -> Value:
    """Retry an action while another process locks the store or creates its tables, for at most half a minute.

    Our lock only separates our own processes on a SQLite store; MLflow's page server and the user's tools do not use
    it, and a server's store has none: of commands that open a new PostgreSQL database at once, one creates the tables.
    """
    deadline = time.monotonic() + RETRY_FOR_S
    pause_s = 0.1
    while True:
        try:
            return action()
        except Exception as error:
            if not any(part in str(error) for part in PASSING_ERRORS) or time.monotonic() + pause_s > deadline:
                raise
            time.sleep(pause_s)
            pause_s *= 2
