"""Check an experiment's trajectories: every seed and arm of its spec, once, measured where its spec says."""

from __future__ import annotations

import math
from collections.abc import Iterator

from benchsuite.records.experiment import ExperimentRecord
from benchsuite.specs.seeds import derive_experiment_seeds


def trajectories(record: ExperimentRecord) -> Iterator[str]:
    """Yield what contradicts the spec among an experiment's seeds, iterations and trajectories."""
    spec = record.spec
    if set(record.seeds) != set(spec.seeds):
        yield f"seeds: of {sorted(record.seeds)}, but the spec has {sorted(spec.seeds)}"
    for seed, found in record.seeds.items():
        if found != derive_experiment_seeds(seed):
            yield f"seeds.{seed}: not those that seed {seed} gives"
    if record.iterations != spec.measured_iterations:
        yield "iterations: not those that the spec measures"
    expected = [(seed, rate) for seed in spec.seeds for rate in (*spec.feedback_rates, None)]
    if [(each.seed, each.feedback_rate) for each in record.trajectories] != expected:
        yield "trajectories: not each seed with each feedback rate and backprop once, in the spec's order"
    layers = len(spec.dimensions) - 1
    for place, each in enumerate(record.trajectories):
        if each.rule not in record.rules:
            yield f"trajectories.{place}: rule {each.rule}, whose source is not among the rules"
        if bool(each.reason) == (each.status == "completed"):
            yield f"trajectories.{place}: {each.status} with reason {each.reason!r}"
        if each.correlations and (each.feedback_rate is None or len(each.correlations) != layers):
            yield f"trajectories.{place}: {len(each.correlations)} curves of correlations for {layers} layers"
    for seed in spec.seeds:
        starts = [t.squared_error[0] for t in record.trajectories if t.seed == seed and t.feedback_rate is not None]
        # All start from zero weights and one target.
        if starts and not math.isclose(min(starts), max(starts), rel_tol=1e-9):
            yield f"trajectories: seed {seed} starts from several errors, but its rates share target and weights"
