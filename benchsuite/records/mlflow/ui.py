"""Serve MLflow's own pages for the mirror, with settings for a fast start, and open the right page."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

from benchsuite.errors import MirrorError
from benchsuite.records.mlflow.addresses import HOME, MENU, track_in_mlflow
from benchsuite.records.mlflow.connection import ENVIRONMENT
from benchsuite.records.mlflow.ui_server import URI_VARIABLE
from benchsuite.records.mlflow.uris import TrackingUri, redact

ANSWER_TIMEOUT_S = 120.0
POLL_S = 0.1

# Time to the first answer on 2 quiet cores with MLflow 3.17: plain `mlflow server`, with 4 workers and a job runner of
# 7 processes, 25 s; with one worker and no job runner 12 to 13 s. See ui_server for the further reduction.
SERVER_ENVIRONMENT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@dataclass(frozen=True)
class UiCommand:
    """The command that starts the pages: arguments that may be shown, and environment with the address and password."""

    arguments: tuple[str, ...]
    environment: dict[str, str]


def ui_command(tracking_uri: str, artifact_root: Path, board: Path, host: str, port: int) -> UiCommand:
    """Return the command that serves MLflow's pages for a database or a folder.

    The address is passed in the environment, because every user of the machine can read arguments.
    """
    module = "benchsuite.records.mlflow.ui_server"
    arguments = (sys.executable, "-m", module, host, str(port), artifact_root.as_uri(), str(board))
    return UiCommand(arguments, {**ENVIRONMENT, **SERVER_ENVIRONMENT, URI_VARIABLE: tracking_uri})


@contextlib.contextmanager
def running_ui(
    tracking_uri: str, artifact_root: Path, board: Path, host: str = "127.0.0.1", port: int = 5000
) -> Iterator[str]:
    """Serve the pages while the block runs; yield the address once they answer. ``port`` 0 takes a free one.

    Raises:
        MirrorError: if the port is taken, or the server exits or does not answer; with the end of the server's output.

    """
    port = _free_port(host, port)
    command = ui_command(tracking_uri, artifact_root, board, host, port)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            command.arguments,
            env={**os.environ, **command.environment},
            stdin=subprocess.PIPE,  # never written to; when it closes, the server knows that we have ended
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only us, and we stop the server and its worker together
        )
        try:
            _wait_for_answer(process, host, port, output)
            yield f"http://{_for_url(host)}:{port}"
        finally:
            _stop(process)
            if process.stdin:
                process.stdin.close()


def serve_ui(
    tracking_uri: str,
    artifact_root: Path,
    board: Path,
    host: str = "127.0.0.1",
    port: int = 5000,
    *,
    track: str | None = None,
    open_browser: bool = True,
    on_ready: Callable[[str], None] = print,
) -> None:
    """Serve MLflow's pages until interrupted. If a server is running already, only open its page.

    Args:
        tracking_uri: the store to show.
        artifact_root: folder of the mirror's artifacts.
        board: folder of the store's leaderboard site, which is served beside.
        host: the address to listen on.
        port: the port to listen on; 0 takes a free one.
        track: open this track's charts; if not given, the list of all tracks.
        open_browser: also open the page in the browser.
        on_ready: called with the page's address.

    Raises:
        MirrorError: if the pages cannot be served.

    """
    uri = TrackingUri(tracking_uri)
    if uri.is_server:
        on_ready(f"MLflow's own server shows the runs at {uri.page}")
        if open_browser and uri.scheme in {"http", "https"}:
            webbrowser.open(uri.page)
        return
    with contextlib.suppress(KeyboardInterrupt), running_ui(tracking_uri, artifact_root, board, host, port) as address:
        page = page_of(address, track)
        on_ready(f"MLflow shows the runs at {page} (Ctrl-C ends it)")
        if open_browser:
            webbrowser.open(page)
        while True:
            time.sleep(3600)


def page_of(address: str, track: str | None) -> str:
    """Return the page to open: a track's charts, or the list of all tracks; MLflow's own list if ours is not served."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    try:
        _get(host.strip("[]"), int(port), HOME, timeout_s=10)
    except (OSError, http.client.HTTPException):
        return f"{address}/#/experiments?{urlencode(MENU)}"
    return address + (track_in_mlflow(track) if track else HOME)


def _get(host: str, port: int, path: str, timeout_s: float) -> bytes:
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise http.client.HTTPException(f"{answer.status} for {path}")
    return body


def _free_port(host: str, port: int) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise MirrorError(
                f"cannot listen on {host}:{port}: {error.strerror}; choose another --port, or 0"
            ) from error
        return int(probe.getsockname()[1])


def _wait_for_answer(process: subprocess.Popen[bytes], host: str, port: int, output: IO[str]) -> None:
    reached_by = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise MirrorError(f"MLflow's server ended with {process.returncode}: {_last_words(output)}")
        try:
            _get(reached_by, port, "/health", timeout_s=5)
        except (OSError, http.client.HTTPException):
            time.sleep(POLL_S)
        else:
            return
    raise MirrorError(f"MLflow's server did not answer within {ANSWER_TIMEOUT_S:.0f} s: {_last_words(output)}")


def _last_words(output: IO[str]) -> str:
    output.seek(0)
    lines = [line.strip() for line in output.read().splitlines() if line.strip()]
    return redact(" | ".join(lines[-3:]))[-600:] or "it printed nothing"


def _for_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _stop(process: subprocess.Popen[bytes]) -> None:
    for signal_number, wait_s in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal_number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
            return
