"""The server process of ``benchsuite ui``: MLflow's pages with one worker, in this process.

``mlflow server`` imports MLflow and starts uvicorn, which imports MLflow again: 12 to 13 s to the first answer on 2
cores; this takes 6 s. It does the same as that command (``_run_server`` in mlflow/server/__init__.py of 3.17) without
its checks for several workers and job runners. It uses MLflow's internal names; if a version lacks one, it runs the
command instead.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.records.mlflow.connection import exclusive, prepare_environment
from benchsuite.records.mlflow.uris import TrackingUri

if TYPE_CHECKING:
    from starlette.applications import Starlette

URI_VARIABLE = "MLFLOW_BACKEND_STORE_URI"


def main(host: str, port: str, artifact_root: str, board: str) -> None:
    """Serve until terminated; the store's address is in the environment, which other users cannot see.

    Args:
        host: address to listen on.
        port: port to listen on.
        artifact_root: address of the folder of artifacts.
        board: folder of the store's leaderboard site.

    """
    _end_with_parent()
    prepare_environment()
    uri = os.environ[URI_VARIABLE]
    try:
        from mlflow.server.constants import (
            ARTIFACT_ROOT_ENV_VAR,
            BACKEND_STORE_URI_ENV_VAR,
            REGISTRY_STORE_URI_ENV_VAR,
        )
        from mlflow.server.handlers import initialize_backend_stores

        os.environ |= {
            BACKEND_STORE_URI_ENV_VAR: uri,
            REGISTRY_STORE_URI_ENV_VAR: uri,
            ARTIFACT_ROOT_ENV_VAR: artifact_root,
        }
        import uvicorn
        from mlflow.server.fastapi_app import app
    except ImportError:
        command = [sys.executable, "-m", "mlflow", "server", "--host", host, "--port", port, "--workers", "1"]
        os.execv(sys.executable, [*command, "--default-artifact-root", artifact_root])  # noqa: S606 - no shell wanted
    with exclusive(TrackingUri(uri)):
        initialize_backend_stores(uri, uri, artifact_root)
    add_our_pages(app, Path(board))
    uvicorn.run(app, host=host, port=int(port), log_level="warning")


def add_our_pages(app: Starlette, board: Path) -> None:
    """Add our pages to MLflow's server; a store that is no database, or a version with other names, gets none."""
    try:
        from mlflow.server.handlers import _get_tracking_store

        from benchsuite.records.mlflow.ui_pages import OurPages

        store: Any = _get_tracking_store()
        pages = OurPages(store.engine, board)
    except (ImportError, AttributeError):
        return
    app.router.routes[:0] = pages.routes()  # first: MLflow's last route takes every address


def _end_with_parent() -> None:
    """Exit when standard input, if it is a pipe, is closed, so that even a killed parent leaves no server behind."""
    if not stat.S_ISFIFO(os.fstat(0).st_mode):
        return

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
