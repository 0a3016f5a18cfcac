"""Opening a tracking store: MLflow imported late and kept quiet, stores that are down noticed within seconds."""

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

# Set only where the user has not: their own choice for their own server stands.
ENVIRONMENT = {
    # mlflow/telemetry/utils.py of 3.17 asks for this one and for DO_NOT_TRACK when mlflow is imported.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow's own 7 retries of 120 s each hold a training process for minutes when a server is down.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Its store logs the traceback of every failed statement and the migration's progress; we report in one line.
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    # Two lines on stdout at the end of every run, with the server's address as it was given, password included.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

CONNECT_TIMEOUT_S = 5.0
LOCK_TIMEOUT_S = 120.0
"""Longest wait for other processes; creating a fresh database takes 3 s, mirroring a record a tenth of one."""
RETRY_FOR_S = 30.0
ENGINE_ATTEMPTS = 3


def describe(error: BaseException) -> str:
    """Return one line about an error of MLflow or of what lies below it, without secrets, at most 500 characters."""
    line = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
    return redact(f"{type(error).__name__}: {line}" if line else type(error).__name__)[:500]


@contextlib.contextmanager
def reported(doing: str) -> Iterator[None]:
    """Turn whatever goes wrong inside into a ``MirrorError`` that says what was being done.

    MLflow lets errors of sqlalchemy, requests, boto and the file system through, so no narrower list is complete.
    """
    try:
        yield
    except MirrorError:
        raise
    except Exception as error:
        raise MirrorError(f"{doing}: {describe(error)}") from error


def prepare_environment() -> None:
    """Switch telemetry, long retries and chatty logging off; takes effect if MLflow is not imported yet."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(uri: TrackingUri) -> MlflowClient:
    """Import MLflow, open the store and create or migrate it if need be; call it while holding the lock.

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
        warnings.simplefilter("ignore")  # deprecations inside MLflow's own dependencies
        import mlflow.store.db.utils
        from mlflow.tracking import MlflowClient
    # MLflow tries a database ten times with doubling pauses, 102 s in all, whatever the reason, and offers no setting.
    if hasattr(mlflow.store.db.utils, "MAX_RETRY_COUNT"):
        mlflow.store.db.utils.MAX_RETRY_COUNT = min(ENGINE_ATTEMPTS, mlflow.store.db.utils.MAX_RETRY_COUNT)
    # Again by hand, for the case that another plugin has imported MLflow before us.
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
    """Hold the store's lock, where it is a file on this machine.

    Four processes that open a fresh SQLite store at once crash most of them in MLflow's migrations (3.17).

    Raises:
        MirrorBusyError: if others hold it for longer than ``timeout_s``.
        MirrorError: if the lock's folder cannot be written.

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
            raise MirrorBusyError(f"{path} has been held by another process for {timeout_s:.0f} s") from error
        except OSError as error:
            raise MirrorError(f"cannot lock {path}: {error.strerror or error}") from error
        yield


def retried(action: Callable[[], Value]) -> Value:
    """Do something to the store again while SQLite says that it is locked, for at most half a minute.

    The lock keeps our own processes apart; MLflow's page server and the user's own tools do not know it.
    """
    deadline = time.monotonic() + RETRY_FOR_S
    pause_s = 0.1
    while True:
        try:
            return action()
        except Exception as error:
            if "is locked" not in str(error) or time.monotonic() + pause_s > deadline:
                raise
            time.sleep(pause_s)
            pause_s *= 2
