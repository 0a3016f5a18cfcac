"""Fixtures for small runs on synthetic data, shared by the tests of training and of execution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.data.fingerprint import fingerprint
from benchsuite.data.load import load_dataset
from benchsuite.execution.record_building import LoadedData
from benchsuite.execution.run import Run
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.specs.loading.resolve import SelectedRun
from benchsuite.specs.models.track import RunSpec

BASE: dict[str, Any] = {
    "track": "tiny",
    "tier": "smoke",
    "seed": 0,
    "dataset": {
        "name": "tiny",
        "kind": "synthetic",
        "train_examples": 96,
        "test_examples": 40,
        "height": 4,
        "width": 4,
        "classes": 7,
        "normalization": {"mean": [0.5], "std": [0.5]},
    },
    "architecture": {
        "name": "tiny",
        "kind": "chain",
        "layers": [
            {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1, "norm": "batch"},
            {"kind": "max_pool", "size": 2},
            {"kind": "dense", "units": 12},
            {"kind": "dropout", "probability": 0.3},
        ],
    },
    "protocol": {"epochs": 4, "batch_size": 20, "optimizer": {"kind": "adam", "learning_rate": 0.01}},
    "diagnostics": {"names": ["credit_angle_deg"], "every_epochs": 2, "examples": 16},
    "rule": {"name": "backprop", "config": {}},
    "hardware": {"name": "cpu", "device": "cpu"},
}

VECTORIZED: dict[str, Any] = {
    "form": "vectorized",
    "weight_sign": "nonnegative",
    "defaults": {"activation": "vector_gate", "initialization": {"scheme": "he_normal", "on_off": "channels"}},
    "layers": [
        {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
        {"kind": "average_pool", "size": 2},
        {"kind": "dense", "units": 12},
    ],
}
"""A vectorized network with nonnegative weights: a convolution, pooling and a dense segment."""

MakeSpec = Callable[..., RunSpec]
"""The type of the fixture ``make_spec``."""
MakeRun = Callable[..., Run]
"""The type of the fixture ``make_run``."""

SHORT_LOOPS: dict[str, dict[str, int]] = {
    "equilibrium_propagation": {"free_steps": 4, "nudged_steps": 3},
    "predictive_coding": {"steps": 4},
    "weight_mirror": {"initial_mirror_steps": 5},
}
"""Settings for rules that repeat something within a step, or before the first, where one more of the same shows nothing
new."""


def merged(base: Any, changes: Any) -> Any:
    if (
        isinstance(base, dict)
        and isinstance(changes, dict)
        and base.get("kind") == changes.get("kind", base.get("kind"))
    ):
        return {**base, **{k: merged(base.get(k), v) for k, v in changes.items()}}
    return changes


@pytest.fixture
def make_spec(registry: Registry) -> MakeSpec:
    """Return a function from changes to a run's spec."""

    def make(rule: str = "backprop", **changes: Any) -> RunSpec:
        config = registry.rule_config(rule, changes.pop("config", {}))
        content = merged(BASE, {**changes, "rule": {"name": rule, "config": config}})
        return RunSpec.model_validate(content)

    return make


@pytest.fixture
def store(tmp_path: Path) -> RecordStore:
    """Return an empty store."""
    made = RecordStore(tmp_path / "store")
    made.prepare()
    return made


@pytest.fixture
def make_run(own_registry: Registry, store: RecordStore) -> MakeRun:
    """Return a function from a spec to a run in the test's store."""

    def make(spec: RunSpec, fresh: bool = False) -> Run:
        dataset = load_dataset(spec.dataset, store.root, {})
        data = LoadedData(dataset, fingerprint(dataset))
        return Run(SelectedRun(spec, "benchsuite run tiny"), data, store, own_registry, fresh)

    return make
