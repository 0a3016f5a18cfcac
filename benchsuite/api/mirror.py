"""MLflow: mirror the records of a store, and serve MLflow's pages."""

from __future__ import annotations

from collections.abc import Callable

from benchsuite.api.mirror_labels import labels_on_paper
from benchsuite.api.options import PathLike, named_tracking_uri, store_folder
from benchsuite.api.workspace import open_on_paper
from benchsuite.errors import EmptySelectionError
from benchsuite.records.mlflow.sync import SyncReport
from benchsuite.records.mlflow.sync import sync as _sync
from benchsuite.records.mlflow.uris import default_artifact_root, default_tracking_uri
from benchsuite.records.store import RecordStore


def sync(*, store: PathLike | None = None, tracking_uri: str | None = None) -> SyncReport:
    """Mirror every record of a run or a tuning that MLflow does not hold, and close runs whose process was killed.

    Args:
        store: folder that ``run`` writes to; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.
        tracking_uri: MLflow's store; ``$BENCHSUITE_TRACKING_URI`` or SQLite in the store if not given.

    Returns:
        Counts: ``.mirrored``, ``.unchanged``, ``.failed``, …; ``.complete`` if MLflow has all.

    Raises:
        EmptySelectionError: if the store has no records.
        MirrorError: if the tracking store cannot be opened or read.

    """
    records = RecordStore(store_folder(store).resolve())
    if not (records.records_folder.is_dir() or records.tunings_folder.is_dir()):
        raise EmptySelectionError(f"no records in {records.root}; `benchsuite run quickstart` makes some")
    catalogue, library = open_on_paper()
    catalogue.store()
    uri = named_tracking_uri(tracking_uri) or default_tracking_uri(records.root)
    return _sync(records, uri, labels=labels_on_paper(catalogue, library))


def serve_mlflow(
    *,
    store: PathLike | None = None,
    tracking_uri: str | None = None,
    track: str | None = None,
    host: str = "127.0.0.1",
    port: int = 5000,
    open_browser: bool = True,
    ready: Callable[[str], None] = print,
) -> None:
    """Show the runs in MLflow's own pages until Ctrl-C.

    Args:
        store: folder that ``run`` writes to; ``$BENCHSUITE_STORE`` or ``benchsuite-store`` if not given.
        tracking_uri: MLflow's store; ``$BENCHSUITE_TRACKING_URI`` or SQLite in the store if not given.
        track: open this track's page.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        open_browser: open the page in a browser.
        ready: called with the pages' address and what they show.

    Raises:
        EmptySelectionError: if the store has no mirror.
        MirrorError: if the port is taken, or MLflow does not answer.

    """
    from benchsuite.records.mlflow.ui import serve_ui

    root, given = store_folder(store).resolve(), named_tracking_uri(tracking_uri)
    if given is None and not (root / "mlflow.db").exists():
        raise EmptySelectionError(f"no MLflow mirror in {root}; `benchsuite sync` makes one from the records")
    uri = default_tracking_uri(root) if given in {None, "none"} else str(given)
    board = root / "site"
    serve_ui(
        uri, default_artifact_root(root), board, host, port, track=track, open_browser=open_browser, on_ready=ready
    )
