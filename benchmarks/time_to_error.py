"""Time to a stated test error: the suite against training as BioTorch does it, on one network with the same numbers.

    python benchmarks/time_to_error.py [--tasks NAME …] [--rule NAME] [--error FRACTION] [--seeds N]
                                       [--epochs N] [--threads N] [--data-root DIR] [--json FILE] [--smoke]

The other side is plain PyTorch after the recipe that BioTorch publishes (Sanfiz & Akrout 2021, arXiv:2108.13446), none
of its code: torchvision's transforms per image, a DataLoader without workers, loss and top-1 and top-5 accuracy read in
each step, torch's default Adam, the test set measured after each epoch; feedback alignment as an autograd function.
What it writes (checkpoints, TensorBoard) is left out. Both sides start from the suite's weights and feedback and see
its order of examples: step by step they learn the same but for rounding, which training amplifies.

The sides take turns at short stretches of steps and at evaluations, so that what else the machine does falls on both.
After each epoch are printed: both test errors, both times so far, and the ratio of the stretches (median and
quartiles). A task ends when both have reached its error. Nothing is asserted; the goal is a ratio of 2.5 or more.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from pairing import add_smoke, quartiles, settle_machine, write_json
from plain_training import PlainSide

from benchsuite.data.load import load_dataset
from benchsuite.data.open import open_data
from benchsuite.data.roots import find_data_root
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.loading.resolve import Selection, resolve
from benchsuite.specs.models.dataset import SyntheticDataset
from benchsuite.specs.models.track import RunSpec
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import open_device
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.trainer import Trainer

RULES = ("backprop", "feedback_alignment")
CONSTANT_RATE = "protocol.schedule={kind: constant}"


@dataclass(frozen=True)
class Task:
    """A track of the suite, the test error to reach (0 to 1), and the steps of a stretch."""

    track: str
    error: float
    stretch: int
    overrides: tuple[str, ...] = ()


TASKS = {
    "mnist-dense": Task("mnist-fc", 0.05, 20),
    "cifar10-jpeg75-conv": Task("core-cifar10-jpeg75-conv", 0.55, 20, (CONSTANT_RATE,)),
}


class SuiteSide:
    """Training by the suite's loop."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer

    def steps(self) -> Iterator[None]:
        """Take one step per item, epoch after epoch."""
        return self.trainer.endless_steps()

    def test_error(self) -> float:
        """Return the fraction of test examples that are misclassified."""
        found = self.trainer.evaluate("test")
        self.trainer.network.train()
        self.trainer.rule.train()
        return 1.0 if found is None else found.error


@dataclass
class Run:
    """One side's run: its time so far, its test errors, and its time when it reached the error."""

    side: SuiteSide | PlainSide
    seconds: float = 0.0
    errors: list[float] = field(default_factory=list)
    reached_s: float | None = None

    def __post_init__(self) -> None:
        self.steps = self.side.steps()

    def timed(self, act: Callable[[], Any]) -> float:
        """Call a function and add its time."""
        began = time.perf_counter()
        act()
        took = time.perf_counter() - began
        self.seconds += took
        return took

    def take(self, steps: int) -> float:
        """Take steps, and return their time."""
        return self.timed(lambda: [next(self.steps) for _ in range(steps)])

    def evaluate(self, goal: float) -> None:
        """Measure the test error, on the clock."""
        self.timed(lambda: self.errors.append(self.side.test_error()))
        if self.reached_s is None and self.errors[-1] <= goal:
            self.reached_s = self.seconds


def specs_of(task: Task, rule: str) -> RunSpec:
    """Return the spec of a task's track with a rule."""
    selection = Selection(task.track, rules=(rule,), seeds=(0,), tier="paper", overrides=task.overrides)
    (selected,) = resolve(selection, SpecLibrary([builtin_folder()]), installed_registry())
    return selected.spec


def alike(spec: RunSpec) -> SyntheticDataset:
    """Return a few random images of a data set's shape."""
    size = 28 if spec.track.startswith("mnist") else 32
    channels = 1 if size == 28 else 3
    normalization = spec.dataset.normalization
    name = "alike"
    return SyntheticDataset(
        name=name,
        kind="synthetic",
        train_examples=300,
        test_examples=50,
        height=size,
        width=size,
        channels=channels,
        normalization=normalization,
    )


def sides_of(spec: RunSpec, dataset: DecodedDataset, seed: int) -> tuple[SuiteSide, PlainSide]:
    """Return both sides, which start from the same weights, feedback and order."""
    device = open_device(spec.hardware.model_copy(update={"device": "cpu"}))
    parts = TrainingSpecs(spec.architecture, spec.protocol, spec.rule, derive_seeds(seed))
    trainer = assemble(parts, open_data(dataset, spec.dataset, device.torch_device), device, installed_registry())
    trainer.warm_up()
    trainer.begin()
    plain = PlainSide(trainer, spec, dataset)
    return SuiteSide(trainer), plain


def largest_difference(suite: SuiteSide, plain: PlainSide) -> float:
    """Return the largest difference between a weight of one side and the same weight of the other."""
    pairs = zip(suite.trainer.network.parameters(), plain.network.parameters(), strict=True)
    return max(float((ours.detach() - theirs.detach()).abs().max()) for ours, theirs in pairs)


def measure(task: Task, spec: RunSpec, dataset: DecodedDataset, seed: int, epochs: int) -> dict[str, Any]:
    """Train both sides in turns until both have reached the error; print and return what was found."""
    suite, plain = (Run(side) for side in sides_of(spec, dataset, seed))
    per_epoch = spec.protocol.steps_per_epoch(len(dataset.train_targets))
    ends = [*range(0, per_epoch, task.stretch), per_epoch]
    ratios: list[float] = []
    found: dict[str, Any] = {}
    for epoch in range(1, epochs + 1):
        for turn, (start, end) in enumerate(pairwise(ends)):
            order = (suite, plain) if turn % 2 else (plain, suite)
            took = {id(run): run.take(end - start) for run in order}
            ratios.append(took[id(plain)] / took[id(suite)])
        for run in (suite, plain) if epoch % 2 else (plain, suite):
            run.evaluate(task.error)
        stretches = quartiles(ratios)
        found = {
            "epochs": epoch,
            "test_errors": {"suite": suite.errors, "plain": plain.errors},
            "seconds": {"suite": suite.seconds, "plain": plain.seconds},
            "seconds_to_error": {"suite": suite.reached_s, "plain": plain.reached_s},
            "plain / suite, stretches": stretches,
        }
        print(
            f"  seed {seed}, epoch {epoch}: test error {suite.errors[-1]:.4f} and {plain.errors[-1]:.4f} "
            f"after {suite.seconds:.1f} and {plain.seconds:.1f} s; "
            f"stretches {stretches['median']:.2f} [{stretches['low']:.2f}, {stretches['high']:.2f}]",
            flush=True,
        )
        if suite.reached_s is not None and plain.reached_s is not None:
            print(
                f"  seed {seed}: error {task.error:g} in {suite.reached_s:.1f} s by the suite, {plain.reached_s:.1f} s "
                f"as BioTorch trains: {plain.reached_s / suite.reached_s:.2f} times (goal: 2.5)"
            )
            return found
    print(f"  seed {seed}: error {task.error:g} not reached by both in {epochs} epochs")
    return found


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--rule", choices=RULES, default="feedback_alignment")
    parser.add_argument("--error", type=float, default=None, help="to reach, 0 to 1; a task's own if not given")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30, help="give up after this many")
    parser.add_argument("--threads", type=int, default=None, help="torch's own number if not given")
    parser.add_argument("--data-root", default=None)
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    arguments = parser.parse_args(words)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    settle_machine(f"rule: {arguments.rule}; first number the suite's, second as BioTorch trains")
    results: dict[str, Any] = {}
    for name in arguments.tasks:
        task = TASKS[name]
        if arguments.error is not None:
            task = replace(task, error=arguments.error)
        spec = specs_of(task, arguments.rule)
        try:
            if arguments.smoke:
                task = replace(task, stretch=1)
                spec = spec.model_copy(update={"dataset": alike(spec)})
            dataset = load_dataset(spec.dataset, find_data_root(arguments.data_root), download=False)
        except DataError as error:
            print(f"left out: {name}: {error}")
            continue
        rate = spec.protocol.optimizer.learning_rate
        print(
            f"{name}: {task.track}, batches of {spec.protocol.batch_size}, Adam at {rate:g}, to {task.error:.0%} error"
        )
        for seed in range(1 if arguments.smoke else arguments.seeds):
            key = f"{name}, seed {seed}"
            results[key] = measure(task, spec, dataset, seed, 1 if arguments.smoke else arguments.epochs)
            write_json(arguments.json, results)


if __name__ == "__main__":
    main()
