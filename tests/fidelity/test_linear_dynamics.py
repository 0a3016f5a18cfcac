"""Oracles: Amit 2019, section 5.1 and Fig. 12, and an independent simulation of ours made before the suite's.

The paper prints a figure and no numbers, and does not say its step or how R starts; what it says in words is tested.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from benchsuite.records.experiment import ExperimentRecord, Trajectory
from benchsuite.records.store import read_experiments
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import experiment_id
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve import Selection
from benchsuite.specs.loading.resolve_experiment import resolve_experiment
from benchsuite.specs.loading.targets import find_target
from benchsuite.studies.linear_dynamics.simulate import arms_of, simulate

NAME = "urfb-linear-dynamics"
RECORDS = Path(__file__).resolve().parents[2] / "leaderboard" / "records"

# log10 ‖E‖² of one draw at the working values: NumPy, its own generator, Euler's scheme of eq. 9.
SIMULATED_BEFORE = {0.0: -2.1, 0.25: -5.7, 0.5: -9.7, 1.0: -18.5, None: -7.6}
CORRELATIONS_BEFORE = {0.0: (-0.02, 0.31, 0.96), 1.0: (0.91, 0.83, 1.00)}


@pytest.fixture(scope="module")
def record() -> ExperimentRecord:
    found = [r for r in read_experiments(RECORDS) if isinstance(r, ExperimentRecord) and r.spec.name == NAME]
    assert len(found) == 1
    return found[0]


def by_rate(record: ExperimentRecord, seed: int) -> dict[float | None, Trajectory]:
    return {t.feedback_rate: t for t in record.trajectories if t.seed == seed}


def test_the_committed_record_is_of_the_builtin_spec(record: ExperimentRecord, library: SpecLibrary) -> None:
    selected = resolve_experiment(Selection(NAME), find_target(NAME, library))
    assert experiment_id(selected.spec) == record.experiment_id
    assert selected.command == record.command


def test_the_error_falls_faster_the_larger_the_rate_in_every_run(record: ExperimentRecord) -> None:
    for seed in record.spec.seeds:
        runs = by_rate(record, seed)
        ends = [runs[rate].squared_error[-1] for rate in (0.0, 0.25, 0.5, 1.0)]
        assert ends == sorted(ends, reverse=True)
        halves = [runs[rate].squared_error[50] for rate in (0.0, 0.25, 0.5, 1.0)]
        assert halves == sorted(halves, reverse=True)


def test_the_top_layer_aligns_nearly_fully_and_the_input_more_than_the_middle(record: ExperimentRecord) -> None:
    for seed in record.spec.seeds:
        runs = by_rate(record, seed)
        for layer in range(3):
            ends = [runs[rate].final_correlations[layer] for rate in (0.0, 0.25, 0.5, 1.0)]
            assert ends == sorted(ends), "correlations grow with the rate at every layer"
        assert all(runs[rate].final_correlations[2] > 0.94 for rate in (0.0, 0.25, 0.5, 1.0))
        low, middle, _ = runs[1.0].final_correlations
        assert middle < low < 0.95, "lower layers do not reach one; the input comes closer than the middle"
        assert abs(runs[0.0].final_correlations[0]) < 0.1, "FRFB's deeper layers do not align"


def test_the_numbers_are_those_of_the_independent_simulation(record: ExperimentRecord) -> None:
    """Within what seeds differ by: the spread over seeds grows with the fall, about a fifth of it."""
    for rate, before in SIMULATED_BEFORE.items():
        ends = [t.final_log10_squared_error for t in record.trajectories if t.feedback_rate == rate]
        assert mean(ends) == pytest.approx(before, rel=0.15), rate
    for rate, before in CORRELATIONS_BEFORE.items():
        for seed in record.spec.seeds:
            assert by_rate(record, seed)[rate].final_correlations == pytest.approx(before, abs=0.06)


@pytest.mark.parametrize("rate", [1.0, None], ids=["urfb", "backprop"])
def test_the_committed_curves_come_out_again(record: ExperimentRecord, registry: Registry, rate: float | None) -> None:
    """At the end E is 1e-10 of T, so that the order of a sum shows: one per cent of the error."""
    (arm,) = (a for a in arms_of(record.spec) if a.feedback_rate == rate)
    again, recorded = simulate(record.spec, 0, arm, registry), by_rate(record, 0)[rate]
    assert again.squared_error == pytest.approx(recorded.squared_error, rel=0.01, abs=0)
    assert again.final_correlations == pytest.approx(recorded.final_correlations, abs=1e-6)
