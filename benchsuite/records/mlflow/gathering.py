"""Download the records from a tracking store: all that were mirrored to it, from any folder of records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.errors import MirrorError
from benchsuite.records.mlflow.connection import connect, exclusive, reported, retried
from benchsuite.records.mlflow.mapping import DIGEST_TAG
from benchsuite.records.mlflow.mirror import PAGE_SIZE, all_pages
from benchsuite.records.mlflow.uris import TrackingUri
from benchsuite.records.reading import MAX_RECORD_BYTES, BrokenRecord, read_record

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

RECORD = "record.json"


def gather_records(tracking_uri: str, into: Path) -> tuple[list[Path], list[BrokenRecord]]:
    """Download the record of every completely mirrored run of a tracking store; runs in progress have none.

    The server's answers are untrusted: a record that is too large is not fetched, and no name from it becomes a path.

    Args:
        tracking_uri: address of the tracking store.
        into: an empty folder for the records.

    Returns:
        The records' files, each named by its run, and the records that could not be downloaded.

    Raises:
        MirrorError: if the tracking store does not exist or cannot be read.

    """
    uri = TrackingUri(tracking_uri)
    if uri.sqlite_path is not None and not uri.sqlite_path.is_file():
        raise MirrorError(f"there is no database {uri.sqlite_path}; `benchsuite run` makes one beside its records")
    with reported(f"cannot read {uri}"):
        with exclusive(uri):
            client = retried(lambda: connect(uri))
        found = [_fetch(client, run, into / f"{number:06}") for number, run in enumerate(_mirrored(client))]
    return [f for f in found if isinstance(f, Path)], [f for f in found if isinstance(f, BrokenRecord)]


def _mirrored(client: MlflowClient) -> list[Run]:
    experiments = all_pages(lambda token: client.search_experiments(max_results=PAGE_SIZE, page_token=token))
    ids, condition = [e.experiment_id for e in experiments], f"tags.`{DIGEST_TAG}` != ''"
    return all_pages(lambda token: client.search_runs(ids, condition, max_results=PAGE_SIZE, page_token=token))


def _fetch(client: MlflowClient, run: Run, folder: Path) -> Path | BrokenRecord:
    mlflow_run_id = run.info.run_id
    # Only for messages: no file is opened by this name.
    shown = Path(f"{RECORD} of MLflow's run {mlflow_run_id}")
    sizes = {a.path: a.file_size or 0 for a in retried(lambda: client.list_artifacts(mlflow_run_id)) if not a.is_dir}
    if RECORD not in sizes:
        return BrokenRecord(shown, "it is not there")
    if sizes[RECORD] > MAX_RECORD_BYTES:
        return BrokenRecord(shown, f"{sizes[RECORD]} bytes; at most {MAX_RECORD_BYTES} are read")
    folder.mkdir(parents=True)
    path = Path(retried(lambda: client.download_artifacts(mlflow_run_id, RECORD, str(folder))))
    record = read_record(path)
    if isinstance(record, BrokenRecord):
        return BrokenRecord(shown, record.reason)
    return path.rename(folder / f"{record.run_id}.json")
