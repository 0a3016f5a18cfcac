"""Simulate records with known truth: coverage of the suite's 95 % intervals, and gaps that seeds tell apart.

    python benchmarks/interval_coverage.py [--repeats N] [--json FILE]

Errors of a run are a rule's true error on the task, a part that all rules share at one seed, a part of its own, and the
sampling of the test set. Every interval is made by the functions that the tables and the site use.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchsuite.results.across_tasks import TaskMean, improvability, mean_improvability, mean_rank, rank_rows
from benchsuite.results.statistics import estimate, paired_difference, paired_p_value

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, int], Floats]

OWN, SHARED = 0.0015, 0.001
"""Standard deviations of an error over seeds: a rule's own part, and the part that all rules share at a seed."""

TEST_EXAMPLES = 10_000
LIMITS = (0.94, 0.96)


def normal(generator: np.random.Generator, seeds: int) -> Floats:
    """Return normal noise."""
    return generator.normal(size=seeds)


def skewed(generator: np.random.Generator, seeds: int) -> Floats:
    """Return noise with mean 0, deviation 1 and skewness 1: now and then a seed is much worse."""
    return generator.gamma(4.0, size=seeds) / 2 - 2


def errors_of(generator: np.random.Generator, true: float, shared: Floats, noise: Draw) -> dict[int, float]:
    """Return test errors by seed of a rule with a true error, as counts of a test set."""
    means = np.clip(true + SHARED * shared + OWN * noise(generator, len(shared)), 0, 1)
    return dict(enumerate((generator.binomial(TEST_EXAMPLES, means) / TEST_EXAMPLES).tolist()))


def coverage_of_a_track(repeats: int) -> list[tuple[str, int, float]]:
    """Return how often the intervals of a mean and of a paired difference hold the truth, by noise and seeds."""
    generator = np.random.default_rng(0)
    found = []
    for name, noise in (("normal", normal), ("skewed", skewed)):
        for seeds in (3, 5, 10):
            held = {"mean": 0, "paired difference": 0}
            for _ in range(repeats):
                shared = normal(generator, seeds)
                left, right = (errors_of(generator, true, shared, noise) for true in (0.024, 0.021))
                for what, interval, truth in (
                    ("mean", estimate(list(left.values())), 0.024),
                    ("paired difference", paired_difference(left, right), 0.003),
                ):
                    if interval and interval.low is not None and interval.high is not None:
                        held[what] += interval.low <= truth <= interval.high
            found += [(f"{what}, {name} noise", seeds, count / repeats) for what, count in held.items()]
    return found


BEHIND = np.array([0.0, 0.003, 0.006, 0.012, 0.02])
"""True errors of five rules behind the best one's, on average over tasks."""

SPREAD = 0.005
"""Standard deviation of a rule's true error over tasks, the task's own difficulty apart."""


def draw_tasks(generator: np.random.Generator, tasks: int, seeds: int, noise: float) -> Floats:
    """Return errors of shape (tasks, seeds, rules)."""
    rules = len(BEHIND)
    true = np.maximum(0.05 + BEHIND + SPREAD * generator.normal(size=(tasks, 1, rules)), 0.005)
    shared = SHARED * generator.normal(size=(tasks, seeds, 1))
    found: Floats = np.maximum(true + shared + noise * generator.normal(size=(tasks, seeds, rules)), 1e-4)
    return found


def coverage_across_tasks(repeats: int) -> list[tuple[str, int, float]]:
    """Return how often intervals over tasks and seeds hold the truth, averaged over rules."""
    generator = np.random.default_rng(1)
    found = []
    for noise in (OWN, SPREAD):
        everything = draw_tasks(generator, 200_000, 1, noise)[:, 0]  # (tasks, rules)
        for tasks in (6, 8, 12, 20):
            for name, measure, mean_of in (
                ("mean rank", rank_rows, lambda values: mean_rank(values, len(BEHIND))),
                ("improvability", improvability, lambda values: mean_improvability(values, 500)),
            ):
                truths = measure(everything).mean(0)
                shown = held = 0
                for _ in range(repeats):
                    values = [measure(of_task) for of_task in draw_tasks(generator, tasks, 5, noise)]
                    for column, truth in enumerate(truths):
                        mean: TaskMean = mean_of([of_task[:, column] for of_task in values])
                        if mean.low is not None and mean.high is not None:
                            shown += 1
                            held += mean.low <= truth <= mean.high
                found.append((f"{name}, seeds vary by {100 * noise:.2f} points", tasks, held / shown))
    return found


def separated(repeats: int) -> list[tuple[int, float, float]]:
    """Return (seeds, gap in standard deviations of the paired difference, share of p-values below 0.05)."""
    generator = np.random.default_rng(2)
    found = []
    for seeds in (3, 5, 10, 20):
        for gap in (0.5, 1.0, 1.5, 2.0, 3.0):
            told = 0
            for _ in range(repeats):
                noise = generator.normal(size=seeds) + gap
                p_value = paired_p_value(
                    paired_difference(dict(enumerate(noise.tolist())), dict.fromkeys(range(seeds), 0.0))
                )
                told += p_value is not None and p_value < 0.05
            found.append((seeds, gap, told / repeats))
    return found


def smallest_gap(seeds: int, power: float = 0.8) -> float:
    """Return the gap, in standard deviations of the paired difference, that so many seeds separate with this power.

    Source: the noncentral t-distribution of the paired t statistic.
    """
    from scipy import optimize, stats

    limit = stats.t.ppf(0.975, seeds - 1)
    return float(
        optimize.brentq(lambda gap: stats.nct.sf(limit, seeds - 1, gap * seeds**0.5) - power, 0.01, 20)  # type: ignore[no-any-return]
    )


def main(words: Sequence[str] | None = None) -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--repeats", type=int, default=20_000, help="simulated comparisons per line; a tenth across tasks"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="run a little of everything; the figures mean nothing")
    chosen = parser.parse_args(words)
    repeats = 2 if chosen.smoke else chosen.repeats
    track = coverage_of_a_track(repeats)
    print("On one track: coverage of the 95 % interval")
    for name, seeds, share in track:
        print(f"  {name:<34} {seeds:3d} seeds  {_marked(share)}")
    across = coverage_across_tasks(max(1, repeats // 10))
    print("\nOver tasks, 5 rules and 5 seeds: coverage of the 95 % interval, mean over rules")
    for name, tasks, share in across:
        print(f"  {name:<44} {tasks:3d} tasks  {_marked(share)}")
    power = separated(max(1, repeats // 4))
    print("\nShare of comparisons told apart (p < 0.05 before Holm), by gap in sd of the paired difference")
    gaps = sorted({gap for _, gap, _ in power})
    print("  seeds  " + "  ".join(f"{gap:>5}" for gap in gaps) + "   gap told apart in 80 %")
    for seeds in sorted({seeds for seeds, _, _ in power}):
        shares = "  ".join(f"{share:5.2f}" for s, _, share in power if s == seeds)
        print(f"  {seeds:5d}  {shares}   {smallest_gap(seeds):.2f} sd")
    if chosen.json:
        chosen.json.write_text(json.dumps({"track": track, "across": across, "separated": power}, indent=1) + "\n")


def _marked(share: float) -> str:
    return f"{100 * share:5.1f} %" + ("" if LIMITS[0] <= round(share, 3) <= LIMITS[1] else "  outside 94 to 96 %")


if __name__ == "__main__":
    main()
