"""Small tunings on synthetic data, made in the test's process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchsuite.execution.run_factory import RunFactory
from benchsuite.registry.manager import Registry
from benchsuite.specs.models.track import RunSpec
from benchsuite.specs.models.tuning import TuningSpec
from benchsuite.specs.models.tuning_budget import TuningBudget
from benchsuite.specs.search_space import search_space, tuning_of
from benchsuite.tuning.trials import trial_factory

from ..small_runs import make_spec  # noqa: F401 - a fixture

VALIDATION = {"examples": 30}


@pytest.fixture
def make_tuning(registry: Registry, make_spec: Callable[..., RunSpec]) -> Callable[..., TuningSpec]:  # noqa: F811
    """Return a function from changes to a tuning of 4 trials of 2 epochs."""

    def make(
        rule: str = "backprop", trials: int = 4, sampler_seed: int = 0, finalists: int = 0, **changes: Any
    ) -> TuningSpec:
        dataset = {"validation": VALIDATION, **changes.pop("dataset", {})}
        run = make_spec(rule, dataset=dataset, **changes)
        budget = TuningBudget(trials=trials, epochs=2, sampler_seed=sampler_seed, finalists=finalists)
        return tuning_of(run, search_space(run, registry.rule_fields(rule)), budget)

    return make


@pytest.fixture
def factory(own_registry: Registry, tmp_path: Path) -> RunFactory:
    """Return the maker of trials' runs, in this process, with a store of its own."""
    made = trial_factory(tmp_path / "store", tmp_path, own_registry)
    made.store.prepare()
    return made
