"""Oracle: what a run's number of threads may depend on (the run and the machine), and arithmetic on cores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import benchsuite as bs
from benchsuite.execution.compatibility import RunWithShapes, infer_run_shapes
from benchsuite.execution.plan import DataShape
from benchsuite.execution.threads import jobs_that_pay, threads_of_run
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, resolve

SMALL = ("digits-fc", DataShape((1, 8, 8), 10, 1437, 0))
LARGE = ("mnist-fc", DataShape((1, 28, 28), 10, 60000, 0))


def checked(track: str, data: DataShape, *overrides: str) -> list[RunWithShapes]:
    registry = installed_registry()
    selection = Selection(track, rules=("backprop",), seeds=(0, 1, 2), hardware="cpu", overrides=overrides)
    runs = resolve(selection, SpecLibrary([builtin_folder()]), registry, lambda hardware: hardware)
    return infer_run_shapes(runs, registry, lambda _: data)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("case", "overrides", "threads", "jobs"),
    [
        (SMALL, (), 1, 3),
        (SMALL, ("hardware.threads=4",), 4, 2),
        (LARGE, (), 8, 1),
        (LARGE, ("hardware.threads=4",), 4, 2),
        (LARGE, ("hardware.device=cuda",), 8, 1),
    ],
)
def test_jobs_fill_eight_cores_and_leave_each_run_its_threads(
    case: tuple[str, DataShape], overrides: tuple[str, ...], threads: int, jobs: int
) -> None:
    """Catches cores that idle, more threads than cores, more jobs than runs, several runs at once on a GPU."""
    runs = checked(*case, *overrides)
    assert threads_of_run(runs[0].selected.spec, runs[0].shapes, 8) == threads
    assert jobs_that_pay(runs, 8) == jobs


def test_a_small_run_alone_has_the_one_thread_that_it_has_beside_others(two_threads: None, tmp_path: Path) -> None:
    """Catches a record that differs with the number of runs left, and a thread count that stays for other runs."""
    where = {"tier": "smoke", "hardware": "cpu", "store": tmp_path, "tracking_uri": "none"}
    alone = bs.run("digits-fc", rules="backprop", seeds=1, executor="inline", **where)
    assert alone.records[0].hardware.threads == 1
    assert torch.get_num_threads() == 2
