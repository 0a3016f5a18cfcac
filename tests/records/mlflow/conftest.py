"""Records built by hand, and a tracking store that was migrated once for all tests of this package."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from benchsuite.records.mlflow.mirror import Mirror
from benchsuite.records.mlflow.uris import default_tracking_uri
from benchsuite.records.model import (
    DataUsed,
    DiagnosticValue,
    Environment,
    EpochMetrics,
    HardwareUsed,
    RunRecord,
    SetMetrics,
    Timing,
)
from benchsuite.records.store import RecordStore
from benchsuite.specs.hashing import run_id, spec_hash
from benchsuite.specs.models.track import RunSpec

from ...shared_folders import made_once

START = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def build_spec(rule: str = "backprop", seed: int = 0, track: str = "digits-fc", epochs: int = 3) -> RunSpec:
    return RunSpec.model_validate(
        {
            "track": track,
            "tier": "smoke",
            "dataset": {"kind": "digits", "name": "digits"},
            "architecture": {"kind": "chain", "name": "fc", "layers": [{"kind": "dense", "units": 8}]},
            "protocol": {
                "epochs": epochs,
                "batch_size": 32,
                "optimizer": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9},
            },
            "diagnostics": {"names": ["credit_angle_deg"]},
            "rule": {"name": rule, "config": {"scale": 0.5, "note": "x" * 700}},
            "hardware": {"name": "cpu", "device": "cpu"},
            "seed": seed,
        }
    )


def build_epoch(epoch: int) -> EpochMetrics:
    return EpochMetrics(
        epoch=epoch,
        learning_rate=0.1,
        running_loss=1.0 / epoch,
        running_error=0.5 / epoch,
        train=SetMetrics(loss=0.9 / epoch, error=0.4 / epoch, examples=1437),
        test=SetMetrics(loss=0.8 / epoch, error=0.3 / epoch, top5_error=0.01, examples=360),
        train_time_s=2.0,
        images_per_s=700.0 + epoch,
    )


def build_record(rule: str = "backprop", seed: int = 0, track: str = "digits-fc", **changes: Any) -> RunRecord:
    epochs = changes.pop("epochs", 3)
    spec = build_spec(rule, seed, track, epochs)
    fields: dict[str, Any] = {
        "run_id": run_id(spec),
        "spec_hash": spec_hash(spec),
        "result_key": "ab" * 32,
        "status": "completed",
        "spec": spec,
        "seeds": {"init": 1, "order": 2},
        "data": DataUsed(
            fingerprint="cd" * 32,
            canonical=True,
            train_examples=1437,
            test_examples=360,
            classes=10,
            input_shape=(1, 8, 8),
        ),
        "hardware": HardwareUsed(
            hardware_class="cpu-2",
            device="cpu",
            device_name="a CPU",
            precision="fp32",
            threads=2,
            memory_gib=8.0,
        ),
        "environment": Environment(
            benchsuite="0.1.0",
            python="3.11",
            torch="2.11",
            numpy="2.1",
            platform="linux",
            git_commit="f" * 40,
            git_dirty=False,
            rule_distribution="benchsuite 0.1.0",
            rule_source_hash="ef" * 32,
        ),
        "epochs": tuple(build_epoch(n) for n in range(1, epochs + 1)),
        "diagnostics": tuple(
            DiagnosticValue(diagnostic="credit_angle_deg", segment=segment, epoch=epoch, value=value)
            for epoch in range(epochs + 1)
            for segment, value in (("dense1", 90.0 - epoch), ("readout", None), (None, 45.0))
        ),
        "timing": Timing(
            clock="perf_counter",
            train_time_s=2.0 * epochs,
            evaluation_time_s=0.5,
            diagnostics_time_s=0.1,
            setup_time_s=1.0,
            images_per_s=702.0,
            step_time_ms=1.5,
            peak_memory_mib=None,
            peak_memory_source="none",
        ),
        "started_at": START,
        "ended_at": START + timedelta(seconds=600),
        "command": "benchsuite run digits-fc --rule backprop",
    }
    return RunRecord.model_validate(fields | changes)


@pytest.fixture(scope="session")
def make_record() -> Callable[..., RunRecord]:
    return build_record


@pytest.fixture(scope="session")
def make_spec() -> Callable[..., RunSpec]:
    return build_spec


@pytest.fixture(scope="session")
def make_epoch() -> Callable[[int], EpochMetrics]:
    return build_epoch


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh database with all of MLflow's migrations done, which takes 3 s; tests work on copies."""

    def migrate(store: Path) -> None:
        Mirror.open(default_tracking_uri(store), store)

    return made_once(tmp_path_factory, "migrated", migrate) / "mlflow.db"


@pytest.fixture
def store(tmp_path: Path, migrated_database: Path) -> RecordStore:
    """A prepared folder of records with an empty tracking store in it."""
    prepared = RecordStore(tmp_path / "store")
    prepared.prepare()
    shutil.copy(migrated_database, prepared.root / "mlflow.db")
    return prepared


@pytest.fixture
def mirror(store: RecordStore) -> Mirror:
    return Mirror.open(default_tracking_uri(store.root), store.root)


@pytest.fixture
def closed_port_uri() -> str:
    """Port 9 (discard) on this machine: nothing listens there, so connections are refused at once."""
    return "http://someone:hunter2@127.0.0.1:9"
