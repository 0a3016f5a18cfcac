"""Oracles: Amit 2019, section 5.1 and Fig. 12, and an independent simulation of ours made before the suite's.

The paper prints a figure and no numbers, and does not say its step or how R starts; what it says in words is tested.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean

import pytest

from benchsuite.records.store import read_studies
from benchsuite.records.study import StudyRecord
from benchsuite.registry.manager import Registry
from benchsuite.specs.hashing import study_id
from benchsuite.specs.loading.library import SpecLibrary
from benchsuite.specs.loading.resolve import Selection
from benchsuite.specs.loading.resolve_study import resolve_study
from benchsuite.specs.loading.targets import find_target
from benchsuite.studies.linear_dynamics.result import LinearDynamicsResult, Trajectory
from benchsuite.studies.linear_dynamics.simulate import arms_of, simulate
from benchsuite.studies.linear_dynamics.spec import LinearDynamicsSpec

NAME = "urfb-linear-dynamics"
RECORDS = Path(__file__).resolve().parents[2] / "leaderboard" / "records"

# log10 ‖E‖² of one draw at the working values: NumPy, its own generator, Euler's scheme of eq. 9.
SIMULATED_BEFORE = {0.0: -2.1, 0.25: -5.7, 0.5: -9.7, 1.0: -18.5, None: -7.6}
CORRELATIONS_BEFORE = {0.0: (-0.02, 0.31, 0.96), 1.0: (0.91, 0.83, 1.00)}


@pytest.fixture(scope="module")
def record() -> StudyRecord:
    found = [r for r in read_studies(RECORDS) if isinstance(r, StudyRecord) and r.spec.name == NAME]
    assert len(found) == 1
    return found[0]


def by_rate(record: StudyRecord, seed: int) -> dict[float | None, Trajectory]:
    return {t.feedback_rate: t for t in trajectories(record) if t.seed == seed}


def trajectories(record: StudyRecord) -> tuple[Trajectory, ...]:
    return LinearDynamicsResult.model_validate(record.result).trajectories


def test_the_committed_record_is_of_the_builtin_spec(record: StudyRecord, library: SpecLibrary) -> None:
    selected = resolve_study(Selection(NAME), find_target(NAME, library), library.studies)
    assert study_id(selected.spec) == record.study_id
    assert selected.command == record.command


def test_the_error_falls_faster_the_larger_the_rate_in_every_run(record: StudyRecord) -> None:
    for seed in record.spec.seeds:
        runs = by_rate(record, seed)
        ends = [runs[rate].squared_error[-1] for rate in (0.0, 0.25, 0.5, 1.0)]
        assert ends == sorted(ends, reverse=True)
        halves = [runs[rate].squared_error[50] for rate in (0.0, 0.25, 0.5, 1.0)]
        assert halves == sorted(halves, reverse=True)


def test_the_top_layer_aligns_nearly_fully_and_the_input_more_than_the_middle(record: StudyRecord) -> None:
    for seed in record.spec.seeds:
        runs = by_rate(record, seed)
        for layer in range(3):
            ends = [runs[rate].final_correlations[layer] for rate in (0.0, 0.25, 0.5, 1.0)]
            assert ends == sorted(ends), "correlations grow with the rate at every layer"
        assert all(runs[rate].final_correlations[2] > 0.94 for rate in (0.0, 0.25, 0.5, 1.0))
        low, middle, _ = runs[1.0].final_correlations
        assert middle < low < 0.95, "lower layers do not reach one; the input comes closer than the middle"
        assert abs(runs[0.0].final_correlations[0]) < 0.1, "FRFB's deeper layers do not align"


def test_the_numbers_are_those_of_the_independent_simulation(record: StudyRecord) -> None:
    """Within what seeds differ by: the spread over seeds grows with the fall, about a fifth of it."""
    for rate, before in SIMULATED_BEFORE.items():
        ends = [t.final_log10_squared_error for t in trajectories(record) if t.feedback_rate == rate]
        assert mean(ends) == pytest.approx(before, rel=0.15), rate
    for rate, before in CORRELATIONS_BEFORE.items():
        for seed in record.spec.seeds:
            assert by_rate(record, seed)[rate].final_correlations == pytest.approx(before, abs=0.06)


@pytest.mark.parametrize("rate", [1.0, None], ids=["urfb", "backprop"])
def test_the_committed_curves_come_out_again(record: StudyRecord, registry: Registry, rate: float | None) -> None:
    """At the end E is 1e-10 of T, so that the order of a sum shows: one per cent of the error."""
    spec = LinearDynamicsSpec.model_validate(record.spec.model_dump())
    (arm,) = (a for a in arms_of(spec) if a.feedback_rate == rate)
    again, recorded = simulate(spec, 0, arm, registry.rules), by_rate(record, 0)[rate]
    assert again.squared_error == pytest.approx(recorded.squared_error, rel=0.01, abs=0)
    assert again.final_correlations == pytest.approx(recorded.final_correlations, abs=1e-6)
