"""Oracle: ratios of step times, round by round, worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from benchsuite.records.timing import TimingRecord
from benchsuite.records.tuning import TuningRecord
from benchsuite.results.tables import summarize
from tests.factories import make_seeds, make_timing, make_tuned_seeds, make_tuning

TIMES = {"backprop": (2.0, 4.0, 2.0), "fa": (3.0, 4.0, 2.2)}
RECORDS = [
    *make_seeds("backprop", [0.1, 0.2, 0.3], step_time_ms=9.0),
    *make_seeds("fa", [0.2, 0.3, 0.4], step_time_ms=1.0),
]


def cost(*timings: TimingRecord, rule: str = "fa", records: Any = RECORDS, tunings: Sequence[TuningRecord] = ()) -> Any:
    (table,) = summarize(records, timings=timings, tunings=tunings)
    return next(row.cost for row in table.rows if row.rule == rule)


def test_a_cost_is_the_median_ratio_of_rounds_and_has_their_range() -> None:
    """Catches a ratio of medians: a round in which the whole machine was slow says nothing of a rule."""
    found = cost(make_timing(TIMES))
    assert (found.ratio, found.low, found.high) == (pytest.approx(1.1), pytest.approx(1.0), pytest.approx(1.5))
    assert found.step_time_ms == 3.0
    assert found.training_time_s == pytest.approx(3.0 * 45 * 3 / 1000)
    assert cost(make_timing(TIMES), rule="backprop").ratio == 1


def test_training_logs_give_no_cost() -> None:
    """Catches the old way: runs beside other work, next to which a rule looked three times cheaper than backprop."""
    found = cost()
    assert (found.ratio, found.step_time_ms) == (None, None)
    assert "benchsuite time digits-fc" in found.remark


@pytest.mark.parametrize(
    "change",
    [
        {"busy": "other processes use 1.5 cores"},
        {"hardware_class": "gpu"},
        {"precision": "bf16"},
        {"tier": "paper"},
        {"protocol": {"batch_size": 64}},
        {"config": {"scale": 2}},
    ],
)
def test_times_of_other_conditions_or_of_a_busy_machine_are_no_cost(change: dict[str, Any]) -> None:
    assert cost(make_timing(TIMES, **change)).ratio is None


def test_a_rule_without_backprop_beside_it_has_a_time_and_no_ratio() -> None:
    """Catches times of two measurements that are divided by each other."""
    alone, other = make_timing({"fa": (3.0,)}), make_timing({"backprop": (2.0,)})
    found = cost(alone, other)
    assert (found.ratio, found.step_time_ms) == (None, 3.0)
    assert cost(make_timing({"fa": (3.0,), "backprop": ()})).ratio is None


@pytest.mark.parametrize("order", [lambda both: both, reversed])
def test_the_later_measurement_counts(order: Callable[[list[TimingRecord]], Any]) -> None:
    later = make_timing({"backprop": (1.0,), "fa": (2.0,)}, ended_after_s=99)
    assert cost(*order([make_timing(TIMES), later])).ratio == 2


def test_a_tuned_row_has_the_cost_of_its_rule() -> None:
    """Catches a board of tuned rows without costs: a learning rate does not change a step's time."""
    tuned = make_tuned_seeds(make_tuning("fa", [0.3, 0.1]), [0.2, 0.3, 0.4])
    assert cost(make_timing(TIMES), records=[*RECORDS[:3], *tuned]).ratio == pytest.approx(1.1)


def test_a_tuned_scale_keeps_the_cost_and_a_setting_that_changes_work_does_not() -> None:
    """Catches rules with a second searched setting that never have a cost, and a time of other work as theirs."""
    tuning = make_tuning("fa", [0.3, 0.1], searched={"scale": (1, 100)}, config={"scale": 10.0, "passes": 1})
    tuned = make_tuned_seeds(tuning, [0.2, 0.3, 0.4], config={"passes": 1})
    timing = make_timing(TIMES, config={"scale": 10.0, "passes": 1})
    records = [*make_seeds("backprop", [0.1, 0.2, 0.3], config={"scale": 10.0, "passes": 1}), *tuned]
    assert cost(timing, records=records, tunings=[tuning]).ratio == pytest.approx(1.1)
    assert cost(timing, records=records).ratio is None
    assert (
        cost(make_timing(TIMES, config={"scale": 10.0, "passes": 2}), records=records, tunings=[tuning]).ratio is None
    )
    rate, scale = tuning.spec.space
    busy = tuning.spec.model_copy(update={"space": (rate, scale.model_copy(update={"changes_work": True}))})
    assert cost(timing, records=records, tunings=[tuning.model_copy(update={"spec": busy})]).ratio is None
