"""Oracles: ranks by hand, SciPy's ranks and bootstrap, and a simulation whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchsuite.results.across_tasks import compare_across_tasks, improvability, rank_rows, task_mean

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
    values = np.array([[0.1, 0.3, 0.2], [0.2, 0.2, 0.1], [0.3, 0.3, 0.3]])
    assert rank_rows(values).tolist() == stats.rankdata(values, axis=1).tolist()


def test_improvability_is_the_share_of_an_error_above_the_smallest() -> None:
    assert improvability(np.array([[0.25, 0.5, 1.0], [0.0, 0.0, 0.5]])).tolist() == [[0, 0.5, 0.75], [0, 0, 1]]


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


def test_the_bootstrap_over_tasks_is_scipys_where_seeds_agree() -> None:
    """Without spread over seeds only tasks are resampled, as SciPy's bootstrap of a mean does."""
    values = np.random.default_rng(3).normal(5, 1, 12)
    found = task_mean([np.full(4, value) for value in values], "t", 20_000)
    error = stats.bootstrap((values,), np.mean, n_resamples=20_000, rng=np.random.default_rng(4)).standard_error
    half = stats.t.ppf(0.975, 11) * error * (12 / 11) ** 0.5
    assert found.low == pytest.approx(values.mean() - half, abs=0.02)
    assert found.high == pytest.approx(values.mean() + half, abs=0.02)


def test_seeds_are_resampled_within_their_task() -> None:
    """Catches an interval over tasks alone: tasks that agree on average, with seeds that do not."""
    values = [np.array([-1.0, 0.0, 1.0]) * size + 1e-6 * place for place, size in enumerate([1, 1, 1, 1, 1, 1])]
    found = task_mean(values, "t")
    assert found.low is not None
    assert found.high is not None
    # Standard error of the mean over 6 tasks of 3 seeds each, seeds alone: sqrt(2/3) / sqrt(18); t(0.975, 5) = 2.57.
    assert (found.high - found.low) / 2 == pytest.approx(2.5706 * (2 / 3) ** 0.5 / 18**0.5 * (6 / 5) ** 0.5, rel=0.06)


@pytest.mark.parametrize(("method", "skewed"), [("t", False), ("studentized", True)])
def test_intervals_hold_the_truth_at_their_level(method: str, *, skewed: bool) -> None:
    """Catches a bootstrap of plain percentiles, which holds the truth in 85 to 90 % for so few tasks.

    ``benchmarks/coverage.py`` has the whole simulation; this one sees differences of three points.
    """
    generator = np.random.default_rng(5)
    held = 0
    for _ in range(500):
        true = generator.gamma(2.0, 0.5, 8) if skewed else generator.normal(1, 1, 8)
        values = [mean + 0.3 * generator.normal(size=5) for mean in true]
        found = task_mean(values, method, 200)  # type: ignore[arg-type]
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 1 <= found.high
    assert 0.92 <= held / 500 <= 0.98


def test_the_same_records_give_the_same_interval() -> None:
    """Catches a bootstrap without a seed: a site that differs in each build."""
    values = [np.arange(3.0) + number**2 for number in range(6)]
    assert task_mean(values, "studentized") == task_mean(values, "studentized")
