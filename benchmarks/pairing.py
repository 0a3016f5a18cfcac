"""Two sides of a comparison that take turns, so that what else the machine does falls on both."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.benchmark import Timer

from benchsuite.execution.allocator import keep_freed_memory


@dataclass(frozen=True)
class Scale:
    """Amount of work per ratio: networks built anew, turns in each, calls per turn."""

    batch: int
    layouts: int
    turns: int
    calls: int


SMOKE = Scale(batch=2, layouts=1, turns=2, calls=1)


def settle_machine(*about: str) -> None:
    """Fix the allocator, as every run of the harness does, and print what the figures that follow depend on."""
    steady = keep_freed_memory()
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print("; ".join([*about, f"allocator fixed: {steady}"]))


def write_json(path: Path | None, results: object) -> None:
    """Write results where a person asked for them."""
    if path is not None:
        path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def seconds(act: Callable[[], object]) -> float:
    """Return how long one call takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def quartiles(values: list[float]) -> dict[str, float]:
    """Return median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return {"median": round(middle, 4), "low": round(low, 4), "high": round(high, 4), "rounds": len(values)}


def paired(base: Callable[[], object], other: Callable[[], object], turns: int, calls: int = 10) -> list[float]:
    """Return the time of ``other`` relative to ``base``, once per turn; they take turns at going first."""
    threads = torch.get_num_threads()
    sides = [Timer("f()", globals={"f": act}, num_threads=threads) for act in (base, other)]
    for timer in sides:
        timer.timeit(calls)
    ratios = []
    for turn in range(turns):
        order = (0, 1) if turn % 2 else (1, 0)
        took = {side: sides[side].timeit(calls).median for side in order}
        ratios.append(took[1] / took[0])
    return ratios


def report(
    rows: Iterable[tuple[str, dict[str, float]]], goals: Mapping[str, str], json_file: Path | None = None
) -> None:
    """Print each ratio with its quartiles and its goal as soon as it is measured, and write all so far into a file."""
    results = {}
    for name, found in rows:
        results[name] = found
        goal = f"   goal {goals[name]}" if name in goals else ""
        print(f"{name:<74} {found['median']:6.3f}  [{found['low']:.3f}, {found['high']:.3f}]{goal}", flush=True)
        write_json(json_file, results)


def add_smoke(parser: argparse.ArgumentParser) -> None:
    """Add ``--smoke``, which tests use."""
    parser.add_argument("--smoke", action="store_true", help="run a little of everything; the figures mean nothing")
