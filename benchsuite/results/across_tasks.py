"""Compare rules over several tasks: mean rank and improvability, with intervals over tasks and seeds.

Rules are ranked within each task and seed, at which all share network and order of examples. Both numbers are means
over the seeds of a task, then over tasks. What their intervals cover: docs/decisions/0032.

These are few numbers, and NumPy's import alone takes longer; the intervals take its arrays too, for simulations.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING, TypeVar

from benchsuite.results.model import MIN_SEEDS
from benchsuite.results.statistics import t_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Number = TypeVar("Number", float, "Floats")
"""A float, or an array of which every element is treated as one."""

MIN_TASKS = 2
MIN_TASKS_FOR_INTERVAL = 6
"""Fewest tasks for an interval; with fewer, the simulation finds none of the methods near its level."""

ErrorsByTask = Mapping[str, Mapping[int, float]]
"""Test errors of one rule, by task and seed index."""


@dataclass(frozen=True)
class TaskMean:
    """A mean over tasks with its 95 % interval over tasks and seeds."""

    mean: float
    tasks: int
    low: float | None = None
    """None with fewer than ``MIN_TASKS_FOR_INTERVAL`` tasks, or if all tasks agree: they show no spread."""
    high: float | None = None


@dataclass(frozen=True)
class RuleAcrossTasks:
    """One rule compared with the others over all of the tasks."""

    rule: str
    mean_rank: TaskMean
    """1 is best; rules that are equal share their mean rank."""
    improvability: TaskMean
    """The share of its error by which the rule is behind the best rule: (error - smallest error) / error."""


@dataclass(frozen=True)
class AcrossTasks:
    """Rules compared over the tasks that all of them have."""

    tasks: tuple[str, ...]
    rules: tuple[RuleAcrossTasks, ...]
    """The best mean rank first."""


def compare_across_tasks(errors: Mapping[str, ErrorsByTask]) -> AcrossTasks | None:
    """Compare rules over the tasks, and in each the seeds, that all of them have; nothing missing is filled in.

    Args:
        errors: test errors by rule, task and seed index.

    Returns:
        None with fewer than two rules or ``MIN_TASKS`` tasks of which all rules share ``MIN_SEEDS`` seeds.
    """
    rules = sorted(errors)
    shared = shared_seeds(errors)
    if len(rules) < 2 or len(shared) < MIN_TASKS:
        return None
    ranks: list[list[list[float]]] = []  # of (task, rule), one per seed
    distances: list[list[list[float]]] = []
    for task, seeds in shared.items():
        by_seed = [[errors[rule][task][seed] for rule in rules] for seed in seeds]
        ranks.append(_columns(map(rank_values, by_seed)))
        distances.append(_columns(map(improvability, by_seed)))
    found = [
        RuleAcrossTasks(
            rule,
            mean_rank([of_task[column] for of_task in ranks], len(rules)),
            mean_improvability([of_task[column] for of_task in distances]),
        )
        for column, rule in enumerate(rules)
    ]
    return AcrossTasks(tuple(shared), tuple(sorted(found, key=lambda each: (each.mean_rank.mean, each.rule))))


def shared_seeds(errors: Mapping[str, ErrorsByTask]) -> dict[str, list[int]]:
    """Return the seeds that all rules have, by task, of the tasks where these are enough."""
    tasks = sorted(set.intersection(*(set(by_task) for by_task in errors.values()))) if errors else []
    shared = {task: sorted(set.intersection(*(set(e[task]) for e in errors.values()))) for task in tasks}
    return {task: seeds for task, seeds in shared.items() if len(seeds) >= MIN_SEEDS}


def rank_values(values: Sequence[float]) -> list[float]:
    """Return the rank of each value, 1 for the smallest; equal values share their mean rank."""
    in_order = sorted(values)
    return [(bisect_left(in_order, value) + bisect_right(in_order, value) + 1) / 2 for value in values]


def improvability(errors: Sequence[float]) -> list[float]:
    """Return by what share of itself each error exceeds the smallest; 0 for an error of 0."""
    smallest = min(errors)
    return [(error - smallest) / error if error > 0 else 0.0 for error in errors]


def mean_rank(by_task: Sequence[Sequence[float]], rules: int) -> TaskMean:
    """Return a mean rank over tasks with its 95 % interval: a score interval of its place between first and last.

    A task's mean carries the noise of its seeds, so the spread over tasks is that of tasks and seeds.

    Args:
        by_task: one sequence per task, of the rank at each seed.
        rules: number of rules that are ranked.

    """
    mean, error = _mean_and_error(by_task)
    tasks = len(by_task)
    if tasks < MIN_TASKS_FOR_INTERVAL or error == 0:
        return TaskMean(mean, tasks)
    low, high = score_interval((mean - 1) / (rules - 1), error / (rules - 1), tasks)
    return TaskMean(mean, tasks, 1 + (rules - 1) * low, 1 + (rules - 1) * high)


def mean_improvability(by_task: Sequence[Sequence[float]]) -> TaskMean:
    """Return a mean over tasks with its 95 % interval: Student's t over tasks on the logit scale.

    Args:
        by_task: one sequence per task, of the improvability at each seed.

    """
    mean, error = _mean_and_error(by_task)
    tasks = len(by_task)
    if tasks < MIN_TASKS_FOR_INTERVAL or error == 0:
        return TaskMean(mean, tasks)
    low, high = logit_interval(mean, error, tasks)
    return TaskMean(mean, tasks, low, high)


def score_interval(share: Number, error: Number, tasks: int) -> tuple[Number, Number]:
    """Return Wilson's score interval of a mean share whose variance is measured, with Student's quantile.

    A rule's place is the share of the others that are better: the variance of a mean share s is proportional to
    s(1 − s), as a binomial's, by a factor that the tasks show. It holds each share s0 from which the mean is no further
    than the quantile times the standard error that s0 would have.

    Args:
        share: mean over tasks, between 0 and 1.
        error: its standard error over tasks, above 0.
        tasks: number of tasks.

    Source: Wilson 1927. Brown, Cai and DasGupta 2001: Wald's interval covers too little, that of the logit is too long.
    """
    ratio = (t_quantile(tasks - 1) * error) ** 2 / (share * (1 - share))
    middle = (share + ratio / 2) / (1 + ratio)
    half = (ratio * share * (1 - share) + ratio**2 / 4) ** 0.5 / (1 + ratio)
    return middle - half, middle + half


def logit_interval(share: Number, error: Number, tasks: int) -> tuple[Number, Number]:
    """Return Student's interval of a mean share on the logit scale, where its skewed distribution is nearer to normal.

    Args:
        share: mean over tasks, between 0 and 1.
        error: its standard error over tasks, above 0.
        tasks: number of tasks.

    """
    half = t_quantile(tasks - 1) * error / (share * (1 - share))
    against = (1 - share) / share  # e to minus the logit
    return 1 / (1 + math.e**half * against), 1 / (1 + math.e**-half * against)


def _mean_and_error(by_task: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return the mean over tasks and its standard error; 0 if all tasks agree, or there is only one."""
    means = [fmean(values) for values in by_task]
    error = stdev(means) / len(means) ** 0.5 if len(means) > 1 else 0.0
    mean = fmean(means)
    return mean, 0.0 if error < 1e-12 * max(1.0, abs(mean)) else error


def _columns(rows: Iterable[Sequence[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*rows, strict=True)]
