"""Oracles: ranks by hand, SciPy's ranks and intervals, and a simulation whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from benchsuite.results.across_tasks import (
    compare_across_tasks,
    improvability,
    mean_improvability,
    mean_rank,
    rank_values,
    score_interval,
)

TASKS = {f"t{number}": number / 100 for number in range(6)}


def errors(
    *rules: str, gap: float = 0.02, tasks: tuple[str, ...] = tuple(TASKS)
) -> dict[str, dict[str, dict[int, float]]]:
    """Return errors of three seeds, where each rule is behind the one before it."""
    return {
        rule: {task: {seed: 0.1 + place * gap + TASKS[task] + seed / 1000 for seed in range(3)} for task in tasks}
        for place, rule in enumerate(rules)
    }


def test_ranks_are_scipys_and_equal_errors_share_one() -> None:
    for values in ([0.1, 0.3, 0.2], [0.2, 0.2, 0.1], [0.3, 0.3, 0.3]):
        assert rank_values(values) == stats.rankdata(values).tolist()


def test_improvability_is_the_share_of_an_error_above_the_smallest() -> None:
    assert improvability([0.25, 0.5, 1.0]) == [0, 0.5, 0.75]
    assert improvability([0.0, 0.0, 0.5]) == [0, 0, 1]


def test_only_tasks_and_seeds_that_all_rules_have_are_compared() -> None:
    """Catches a rule that is ranked on its own easy tasks, and a task with too few shared seeds."""
    given = errors("a", "b", "c")
    del given["c"]["t0"]
    given["b"]["t1"] = {7: 0.0, 8: 0.0, 9: 0.0}
    given["a"]["t2"][99] = 0.9  # a seed of one rule alone is left out
    found = compare_across_tasks(given)
    assert found is not None
    assert found.tasks == ("t2", "t3", "t4", "t5")
    assert [(each.rule, each.mean_rank.mean) for each in found.rules] == [("a", 1), ("b", 2), ("c", 3)]
    assert compare_across_tasks(errors("a", "b", tasks=("t0",))) is None
    assert compare_across_tasks(errors("a")) is None
    assert compare_across_tasks({}) is None


def test_one_rank_on_all_tasks_has_no_interval_of_width_zero() -> None:
    found = compare_across_tasks(errors("a", "b"))
    assert found is not None
    assert [(each.mean_rank.low, each.mean_rank.high) for each in found.rules] == [(None, None)] * 2
    assert found.rules[1].improvability.low is not None


def test_the_interval_of_a_binomials_share_is_scipys_wilson_interval() -> None:
    """Oracle: SciPy's score interval, with the standard error of a binomial in units of Student's quantile."""
    share, tasks = 0.2, 10
    error = (share * (1 - share) / 50) ** 0.5 * stats.norm.ppf(0.975) / stats.t.ppf(0.975, tasks - 1)
    wilson = stats.binomtest(10, 50).proportion_ci(method="wilson")
    assert score_interval(share, error, tasks) == (pytest.approx(wilson.low), pytest.approx(wilson.high))


def test_a_mean_rank_has_the_ranks_from_which_it_is_a_quantile_of_their_standard_errors() -> None:
    """Oracle: SciPy's t and root finding; catches an interval that leaves the range of the ranks."""
    values = np.array([1.0, 1.2, 1.0, 1.0, 2.0, 1.0, 1.4])
    found = mean_rank([[value] * 3 for value in values.tolist()], 5)
    place, reach = (values.mean() - 1) / 4, stats.t.ppf(0.975, 6) * stats.sem(values) / 4

    def further(other: float) -> float:
        return abs(place - other) - reach * (other * (1 - other) / (place * (1 - place))) ** 0.5

    ends = [1 + 4 * optimize.brentq(further, *between) for between in ((1e-9, place), (place, 1 - 1e-9))]
    assert (found.low, found.high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
    assert 1 < ends[0] < values.mean() < ends[1] < 5


def test_the_interval_of_improvability_is_students_on_the_logit_scale() -> None:
    """Oracle: SciPy's t, logit and expit; catches an interval that leaves the range of shares."""
    values = np.array([0.0, 0.0, 0.1, 0.02, 0.0, 0.3, 0.01])
    found = mean_improvability([[value] * 3 for value in values.tolist()])
    mean = values.mean()
    half = stats.t.ppf(0.975, 6) * stats.sem(values) / (mean * (1 - mean))
    ends = special.expit(special.logit(mean) + np.array([-half, half]))
    assert (found.low, found.high) == (pytest.approx(ends[0]), pytest.approx(ends[1]))
    assert 0 < ends[0] < mean < ends[1] < 1


def test_the_spread_of_tasks_with_different_numbers_of_seeds_is_that_of_their_means() -> None:
    """Catches an interval over all runs as if they were independent, which is too narrow where tasks differ."""
    values = [[mean] * count for count, mean in ((3, 0.1), (5, 0.2), (9, 0.3), (3, 0.4), (5, 0.5), (3, 0.2))]
    found = mean_improvability(values)
    same = mean_improvability([each[:1] * 3 for each in values])
    assert (found.mean, found.low, found.high) == pytest.approx((same.mean, same.low, same.high))


@pytest.mark.parametrize("what", ["mean rank", "improvability"])
def test_intervals_hold_the_truth_at_their_level(what: str) -> None:
    """Catches intervals of plain percentiles or normal quantiles, which hold the truth in 83 to 91 % for so few tasks.

    ``benchmarks/interval_coverage.py`` has the whole simulation; this one sees differences of three points.
    """
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(500):
        if what == "improvability":
            values = [(mean * generator.uniform(0.5, 1.5, 5)).tolist() for mean in generator.gamma(2.0, 0.05, 8)]
            found, truth = mean_improvability(values), 0.1
        else:
            shares = generator.beta(1.0, 3.0, 8)  # how often the other of two rules is better
            found, truth = mean_rank([(1.0 + generator.binomial(1, share, 5)).tolist() for share in shares], 2), 1.25
        if found.low is None or found.high is None:
            continue
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 500 <= 0.98
