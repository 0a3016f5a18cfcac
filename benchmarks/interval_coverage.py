"""Simulate records with known truth: coverage of the suite's 95 % intervals, and gaps that seeds tell apart.

    python benchmarks/interval_coverage.py [--repeats N] [--json FILE]

Errors of a run are a rule's true error on the task, a part that all rules share at one seed, a part of its own, and the
sampling of the test set. Every interval is made by the functions that the tables and the site use.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchsuite.results.across_tasks import improvability, logit_interval, rank_values, score_interval
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


@dataclass(frozen=True)
class Board:
    """Rules that are compared over tasks.

    Attributes:
        name: for the table.
        behind: true errors behind the best rule's, on average over tasks.
        spread: standard deviation of a rule's true error over tasks, the task's own difficulty apart.
        seeds: seeds per task.
        noises: standard deviations of an error over seeds.

    """

    name: str
    behind: tuple[float, ...]
    spread: float
    seeds: int
    noises: tuple[float, ...]


BOARDS = (
    Board("5 rules", (0.0, 0.003, 0.006, 0.012, 0.02), 0.005, 5, (OWN, 0.005)),
    Board("3 rules", (0.0, 0.004, 0.01), 0.006, 3, (0.003,)),
    Board(
        "11 rules, one far behind",
        (0.0, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.012, 0.02, 0.05),
        0.004,
        5,
        (0.002,),
    ),
)
"""The methods were chosen on the first; the others test the choice."""


def draw_tasks(generator: np.random.Generator, board: Board, tasks: int, seeds: int, noise: float) -> Floats:
    """Return errors of shape (tasks, seeds, rules)."""
    rules = len(board.behind)
    true = np.maximum(0.05 + np.array(board.behind) + board.spread * generator.normal(size=(tasks, 1, rules)), 0.005)
    shared = SHARED * generator.normal(size=(tasks, seeds, 1))
    found: Floats = np.maximum(true + shared + noise * generator.normal(size=(tasks, seeds, rules)), 1e-4)
    return found


def coverage_across_tasks(repeats: int, true_tasks: int) -> list[tuple[str, int, float]]:
    """Return how often intervals over tasks and seeds hold the truth, averaged over rules.

    Where all tasks agree there is no interval, and nothing is counted.

    Args:
        repeats: simulated boards per line.
        true_tasks: tasks that the true mean is worked out from.

    """
    generator = np.random.default_rng(1)
    found = []
    for board, noise in [(each, noise) for each in BOARDS for noise in each.noises]:
        rules, seeds = len(board.behind), board.seeds
        everything = draw_tasks(generator, board, true_tasks, 1, noise)[:, 0]  # (tasks, rules)
        for tasks in (6, 8, 12, 20):
            drawn = draw_tasks(generator, board, repeats * tasks, seeds, noise).reshape(-1, rules)
            for name, measure, interval in (
                ("mean rank", place, score_interval),
                ("improvability", distance, logit_interval),
            ):
                truths = np.broadcast_to(measure(everything).mean(0), (repeats, rules))
                of_tasks = measure(drawn).reshape(repeats, tasks, seeds, rules).mean(2)  # (repeats, tasks, rules)
                errors = of_tasks.std(1, ddof=1) / tasks**0.5  # (repeats, rules)
                shown = errors > 1e-12
                low, high = interval(of_tasks.mean(1)[shown], errors[shown], tasks)
                held = (low <= truths[shown]) & (truths[shown] <= high)
                line = f"{name}, {board.name}, {seeds} seeds that vary by {100 * noise:.2f}"
                found.append((line, tasks, float(held.mean())))
    return found


def place(errors: Floats) -> Floats:
    """Return each rule's place between the first, 0, and the last, 1; intervals of mean ranks are made of it."""
    ranks: Floats = np.array([rank_values(row) for row in errors.tolist()])
    return (ranks - 1) / (errors.shape[1] - 1)


def distance(errors: Floats) -> Floats:
    """Return each rule's improvability, row by row."""
    return np.array([improvability(row) for row in errors.tolist()])


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
    parser.add_argument("--repeats", type=int, default=20_000, help="simulated comparisons per line")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--smoke", action="store_true", help="run a little of everything; the figures mean nothing")
    chosen = parser.parse_args(words)
    repeats = 2 if chosen.smoke else chosen.repeats
    track = coverage_of_a_track(repeats)
    print("On one track: coverage of the 95 % interval")
    for name, seeds, share in track:
        print(f"  {name:<34} {seeds:3d} seeds  {_marked(share)}")
    across = coverage_across_tasks(repeats, 1_000 if chosen.smoke else 500_000)
    print("\nOver tasks: coverage of the 95 % interval, mean over rules")
    for name, tasks, share in across:
        print(f"  {name:<66} {tasks:3d} tasks  {_marked(share)}")
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
