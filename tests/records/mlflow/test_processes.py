"""Oracle: arithmetic. Four processes that each mirror three records leave twelve runs, each number and file once."""

from __future__ import annotations

import multiprocessing
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from benchsuite.records.mlflow.connection import import_mlflow
from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.points import record_points
from benchsuite.records.mlflow.uris import default_tracking_uri
from benchsuite.records.model import RunRecord
from benchsuite.records.store import RecordStore

SENDS_TELEMETRY = 7


def mirror_records(root: str, texts: list[str], output: str) -> None:
    descriptor = os.open(output, os.O_CREAT | os.O_WRONLY)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    own = Mirror.open(default_tracking_uri(Path(root)), Path(root))
    for text in texts:
        own.upsert(RunRecord.model_validate_json(text))

    from mlflow.telemetry import get_telemetry_client
    from mlflow.telemetry.utils import is_telemetry_disabled

    if get_telemetry_client() is not None or not is_telemetry_disabled():
        sys.exit(SENDS_TELEMETRY)


def mirror_at_once(root: str, shares: list[list[str]], outputs: list[str], codes: Any) -> None:
    """Mirror each share in a process of its own, and send the exit codes.

    Where processes can be forked, MLflow, which takes seconds of a core, is imported once for all of them.
    """
    if sys.platform == "linux":
        import_mlflow()
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    processes = [
        context.Process(target=mirror_records, args=(root, share, output))
        for share, output in zip(shares, outputs, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
    codes.send([process.exitcode for process in processes])


@dataclass
class FourProcesses:
    store: RecordStore
    records: dict[str, RunRecord]
    exit_codes: list[int | None]
    printed: list[str]


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory, make_record) -> FourProcesses:
    """Four processes that open one store, which does not exist yet, at once."""
    folder = tmp_path_factory.mktemp("four")
    store = RecordStore(folder / "fresh")
    shares = [[make_record(seed=3 * process + n, track=f"track-{n}") for n in range(3)] for process in range(4)]
    outputs = [folder / f"output-{n}" for n in range(4)]
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    texts = [[record.model_dump_json() for record in share] for share in shares]
    arguments = (str(store.root), texts, [str(output) for output in outputs], sending)
    with pytest.MonkeyPatch.context() as patch:
        # MLflow sends none from a test or on a CI machine; what we switch off must be off elsewhere too.
        for name in ("PYTEST_CURRENT_TEST", "CI", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
            patch.delenv(name, raising=False)
        crowd = context.Process(target=mirror_at_once, args=arguments)
        crowd.start()
    assert receiving.poll(300)
    codes = receiving.recv()
    crowd.join(60)
    return FourProcesses(
        store=store,
        records={r.run_id: r for share in shares for r in share},
        exit_codes=codes,
        printed=[out.read_text() for out in outputs],
    )


def test_four_processes_on_a_store_that_does_not_exist_lose_nothing(four):
    # Not above: the processes import this module, and whether ours is what imports MLflow is among what is tested.
    from mlflow.tracking import MlflowClient

    assert four.exit_codes == [0, 0, 0, 0]
    uri = default_tracking_uri(four.store.root)
    client = MlflowClient(uri)
    experiments = client.search_experiments()
    assert sorted(e.name for e in experiments) == ["track-0", "track-1", "track-2"]
    assert len(client.search_runs([e.experiment_id for e in experiments])) == 12
    runs = {r.data.tags["benchsuite.run_id"]: r for r in Mirror.open(uri, four.store.root).runs()}
    assert set(runs) == set(four.records)
    for run_id, run in runs.items():
        expected = sorted((p.key, p.step, p.value) for p in record_points(four.records[run_id]))
        found = [(k, m.step, m.value) for k in run.data.metrics for m in client.get_metric_history(run.info.run_id, k)]
        assert sorted(found) == expected
        assert sorted(f.path for f in client.list_artifacts(run.info.run_id)) == [
            "curves.svg",
            "record.json",
            "spec.json",
        ]


def test_no_process_sends_telemetry(four):
    assert SENDS_TELEMETRY not in four.exit_codes


def test_making_a_store_and_mirroring_prints_nothing(four):
    assert four.printed == ["", "", "", ""]
