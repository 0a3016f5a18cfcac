"""Links from our pages to the runs in MLflow's pages."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from benchsuite.errors import MirrorError
from benchsuite.records.mlflow.addresses import run_page, through_gate
from benchsuite.records.mlflow.mapping import RUN_ID_TAG
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.uris import redact


def mlflow_pages(tracking_uri: str, store: Path, address: str) -> dict[str, str]:
    """Return the address of the MLflow page of every mirrored run of a store, by run id.

    Args:
        tracking_uri: address of the tracking store.
        store: folder of the records.
        address: address at which MLflow's pages are or will be served, such as ``http://127.0.0.1:5000``.

    Raises:
        MirrorError: if the address is invalid, or the tracking store cannot be read.

    """
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.password:
        raise MirrorError(
            f"{redact(address)!r} is not the address of an MLflow UI; expected one such as http://127.0.0.1:5000"
        )
    base = address.rstrip("/")
    return {
        run.data.tags[RUN_ID_TAG]: base + through_gate(run_page(run.info.experiment_id, run.info.run_id))
        for run in Mirror.open(tracking_uri, store).runs()
        if RUN_ID_TAG in run.data.tags
    }
