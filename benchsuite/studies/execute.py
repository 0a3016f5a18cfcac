"""Run one experiment and write its record, or find the record that it has already."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from benchsuite.execution.environment import versions
from benchsuite.records.experiment import ExperimentRecord, RuleUsed, Trajectory
from benchsuite.records.keys import experiment_result_key
from benchsuite.records.store import RecordStore
from benchsuite.registry.manager import Registry
from benchsuite.registry.sources import rule_source_hash
from benchsuite.specs.hashing import experiment_hash, experiment_id
from benchsuite.specs.loading.resolve_experiment import SelectedExperiment
from benchsuite.specs.seeds import derive_experiment_seeds
from benchsuite.studies.linear_dynamics.simulate import RULES, arms_of, simulate


def earlier_record(selected: SelectedExperiment, store: RecordStore, registry: Registry) -> ExperimentRecord | None:
    """Return an experiment's record from the store; None if anything that can change its numbers has changed since."""
    found = store.find_experiment(experiment_id(selected.spec))
    key = experiment_result_key(experiment_hash(selected.spec), rules_used(registry), versions())
    return found if found is not None and found.result_key == key else None


def execute(
    selected: SelectedExperiment,
    store: RecordStore,
    registry: Registry,
    on_trajectory: Callable[[Trajectory, float], None] = lambda trajectory, seconds: None,
) -> ExperimentRecord:
    """Run an experiment and write its record.

    Args:
        selected: the experiment and its command.
        store: for the record.
        registry: provides the rules.
        on_trajectory: called with each trajectory and its time in seconds, as it ends.

    Raises:
        StoreError: if the record cannot be written; checked before anything is run.
        PluginError: if a rule is not installed.

    """
    spec = selected.spec
    rules, environment = rules_used(registry), versions()
    store.prepare()
    started_at, start = datetime.now(UTC), time.perf_counter()
    trajectories = []
    for seed in spec.seeds:
        for arm in arms_of(spec):
            before = time.perf_counter()
            trajectories.append(simulate(spec, seed, arm, registry))
            on_trajectory(trajectories[-1], time.perf_counter() - before)
    record = ExperimentRecord(
        experiment_id=experiment_id(spec),
        spec_hash=experiment_hash(spec),
        result_key=experiment_result_key(experiment_hash(spec), rules, environment),
        spec=spec,
        seeds={seed: derive_experiment_seeds(seed) for seed in spec.seeds},
        rules=rules,
        environment=environment,
        iterations=spec.measured_iterations,
        trajectories=tuple(trajectories),
        wall_time_s=time.perf_counter() - start,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        command=selected.command,
    )
    store.write_experiment(record)
    return record


def rules_used(registry: Registry) -> dict[str, RuleUsed]:
    """Return the source and distribution of the rules in experiments; raises PluginError if one is not installed."""
    return {
        name: RuleUsed(
            source_hash=rule_source_hash(registry.rule(name)), distribution=registry.origins["rule", name].distribution
        )
        for name in RULES
    }
