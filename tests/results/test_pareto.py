"""Oracle: fronts drawn by hand, and the definition of one over random points."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchsuite.results.pareto import ParetoPoint, pareto_front, pareto_points
from benchsuite.results.tables import summarize
from benchsuite_leaderboard.charts.pareto import pareto_chart
from tests.factories import make_record, make_seeds, make_timing

NUMBERS = st.sampled_from([1.0, 2.0, 3.0, 4.0])


def point(error: float, cost: float | None, name: str = "a") -> ParetoPoint:
    return ParetoPoint(name, name, error, cost, None, None)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8))
def test_a_point_is_on_the_front_exactly_if_no_other_beats_it(pairs: list[tuple[float, float]]) -> None:
    points = [point(error, cost, str(number)) for number, (error, cost) in enumerate(pairs)]

    def is_beaten(one: ParetoPoint) -> bool:
        return any(
            (e <= one.error and c <= (one.step_time_ms or 0)) and (e, c) != (one.error, one.step_time_ms)
            for e, c in pairs
        )

    assert set(pareto_front(points, "step_time_ms")) == {each for each in points if not is_beaten(each)}


def test_a_row_that_was_not_timed_is_not_on_the_front() -> None:
    """Catches a cost of zero in place of none."""
    assert pareto_front([point(0.5, None), point(0.9, 3.0, "b")], "step_time_ms") == [point(0.9, 3.0, "b")]


def test_points_have_tuning_in_their_time_and_failed_rows_are_left_out() -> None:
    records = [*make_seeds("backprop", [0.1, 0.2, 0.3]), *make_seeds("fa", [0.2, 0.3, 0.4])]
    records += [*make_seeds("gone", [0.0, 0.0]), make_record("gone", 2, status="diverged")]
    timing = make_timing({"backprop": (2.0, 2.0), "fa": (3.0, 3.0), "gone": (1.0, 1.0)})
    (table,) = summarize(records, timings=[timing])
    ids = {row.label: row.row_id for row in table.rows}
    found = {each.label: each for each in pareto_points(table, "cpu-8-core", {ids["fa"]: 100.0})}
    assert set(found) == {"backprop", "fa"}
    # 45 steps per epoch and 3 epochs of 3 ms, and the tuning.
    assert abs((found["fa"].total_time_s or 0) - (100 + 0.405)) < 1e-9
    assert found["fa"].memory_mib == 220.0
    chart = pareto_chart(table)
    assert chart is not None
    assert [axis["label"] for axis in chart.spec["usermeta"]["axes"]] == ["time per step", "training time", "memory"]
    assert pareto_chart(summarize(records)[0]) is None
