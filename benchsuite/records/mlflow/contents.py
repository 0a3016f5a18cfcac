"""Write what a finished run's page shows beside its numbers: settings, origin, data set and files."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from benchsuite.records.mlflow.connection import retried
from benchsuite.records.mlflow.figures import curves_svg
from benchsuite.records.mlflow.labels import RuleLabel
from benchsuite.records.mlflow.mapping import MAX_NOTE_CHARACTERS, NOTE_TAG, cut, record_params, record_tags
from benchsuite.records.mlflow.notes import run_note
from benchsuite.records.mlflow.uris import redact
from benchsuite.records.model import DataUsed, RunRecord

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.tracking import MlflowClient

DATASET_DIGEST_CHARACTERS = 36  # MLflow 3.17 rejects longer ones.


def describe_run(
    client: MlflowClient, mlflow_run_id: str, record: RunRecord, label: RuleLabel | None, *, with_board: bool
) -> None:
    """Write the settings, the origin, the description and the data set of a finished run.

    Args:
        client: MLflow's.
        mlflow_run_id: the run in MLflow.
        record: the run's record.
        label: of its rule, if known.
        with_board: True if the pages are served beside the board's.

    """
    from mlflow.entities import Param, RunTag

    note = run_note(record, label, with_board)
    texts = {**record_tags(record), NOTE_TAG: cut(redact(note), MAX_NOTE_CHARACTERS)}
    tags = [RunTag(key, value) for key, value in texts.items()]
    params = [Param(key, value) for key, value in record_params(record).items()]
    retried(lambda: client.log_batch(mlflow_run_id, params=params, tags=tags))
    if record.data is not None:
        inputs = [_input(record, record.data)]
        retried(lambda: client.log_inputs(mlflow_run_id, inputs))


def _input(record: RunRecord, data: DataUsed) -> DatasetInput:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    sizes = data.model_dump(mode="json", include={"train_examples", "test_examples", "classes", "input_shape"})
    used = Dataset(
        name=record.spec.dataset.name,
        digest=data.fingerprint[:DATASET_DIGEST_CHARACTERS],
        source_type="benchsuite",
        source=record.spec.dataset.kind,
        profile=json.dumps(sizes),
    )
    context = "training and test" if data.test_examples else "training"
    return DatasetInput(used, [InputTag("mlflow.data.context", context)])


def attach_files(client: MlflowClient, mlflow_run_id: str, record: RunRecord) -> None:
    """Write the spec, the record and its curves as files, and of a run that failed the log."""
    files = {
        "spec.json": record.spec.model_dump_json(indent=1) + "\n",
        "record.json": record.model_dump_json(indent=1) + "\n",
        "curves.svg": curves_svg(record),
        "log.txt": failure_log(record),
    }
    for name, text in files.items():
        if text:
            retried(partial(client.log_text, mlflow_run_id, text, name))


def failure_log(record: RunRecord) -> str:
    """Return what is known of why a run did not complete; empty if it did."""
    if record.status == "completed":
        return ""
    parts = [record.status, record.reason, *record.hardware.notes, *record.remarks, record.traceback or ""]
    return redact("\n\n".join(part for part in parts if part)) + "\n"
