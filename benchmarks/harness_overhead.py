"""Cost of the suite: its loop against bare PyTorch, its rules against plain autograd, its data against a loader.

    python benchmarks/harness_overhead.py [--data-root DIR] [--rounds N] [--json FILE] [--smoke]

Everything is measured in one process and one run, on the same tensors, the sides of a pair taking turns, after a
warm-up and with glibc's allocator thresholds fixed (see ``benchsuite.execution.allocator``). Printed are ratios: the
median over rounds and, in brackets, their quartiles, each as soon as it is measured. Rules that need another form of
network are left out. Nothing is asserted; the goals stand beside the figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from pairing import add_smoke, paired, quartiles, report, seconds, settle_machine
from torch import nn

from benchsuite.credit.batch import Batch
from benchsuite.credit.traits import incompatibilities
from benchsuite.data.load import load_dataset
from benchsuite.data.resident import ResidentData
from benchsuite.data.roots import find_data_root
from benchsuite.data.tensors import DecodedDataset
from benchsuite.errors import DataError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CrossEntropy
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.dataset import MnistDataset, Normalization, SyntheticDataset
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.seeds import derive_seeds, generator
from benchsuite.training.trainer import Trainer

BATCH = 128
HIDDEN = (1024, 512)
NORMALIZATION = Normalization(mean=(0.5,), std=(0.5,))
ARCHITECTURE = ChainArchitecture.model_validate(
    {"name": "mnist-fc", "kind": "chain", "layers": [{"kind": "dense", "units": units} for units in HIDDEN]}
)
PROTOCOL = ProtocolSpec.model_validate(
    {"epochs": 1, "batch_size": BATCH, "optimizer": {"kind": "adam", "learning_rate": 3e-4}}
)


Row = tuple[str, dict[str, float]]


@dataclass(frozen=True)
class Scale:
    """Amount of work."""

    batch: int
    rounds: int
    layouts: int
    turns: int
    calls: int
    loop_steps: int
    loader_rounds: int


SMOKE = Scale(batch=2, rounds=2, layouts=1, turns=2, calls=1, loop_steps=2, loader_rounds=0)


def scale_of(rounds: int) -> Scale:
    """Return the amount of work of a measurement."""
    return Scale(
        BATCH, rounds, max(2, rounds // 4), turns=8, calls=10, loop_steps=100, loader_rounds=max(2, rounds // 8)
    )


def mnist_or_alike(data_root: Path) -> tuple[DecodedDataset, bool]:
    """Return MNIST, or random data of its shape where there is none, and whether it is MNIST."""
    try:
        return load_dataset(MnistDataset(name="mnist", kind="mnist"), data_root, download=False), True
    except DataError:
        return alike(60_000, data_root), False


def alike(examples: int, data_root: Path) -> DecodedDataset:
    """Return random data of MNIST's shape."""
    spec = SyntheticDataset(
        name="alike", kind="synthetic", train_examples=examples, test_examples=10, height=28, width=28
    )
    return load_dataset(spec, data_root)


def make_trainer(rule_name: str, dataset: DecodedDataset) -> Trainer:
    seeds = derive_seeds(0)
    network = build(shapes_of(ARCHITECTURE, dataset.input_shape, 10), generator(seeds, "init"))
    rule_type = installed_registry().rule(rule_name)
    rule = rule_type(rule_type.Config())
    rule.attach(network, generator(seeds, "feedback"))
    return Trainer(network, rule, ResidentData(dataset, NORMALIZATION, "cpu"), PROTOCOL, seeds)


def plain_network() -> nn.Sequential:
    first, second = HIDDEN
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, first), nn.ReLU(), nn.Linear(first, second), nn.ReLU(), nn.Linear(second, 10)
    )


def bare_epoch(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    """Train one epoch as one would write it by hand for data in memory: no metrics, no rule, no clock."""
    order = torch.randperm(len(targets))
    for start in range(0, len(targets), BATCH):
        chosen = order[start : start + BATCH]
        batch = inputs[chosen].float().div_(255).sub_(0.5).div_(0.5)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(batch), targets[chosen]).backward()
        optimizer.step()


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=3e-4, fused=True)


def loop_against_bare(dataset: DecodedDataset, scale: Scale) -> Iterator[Row]:
    """Yield images/s of the suite's loop relative to the bare loop's, on 100 batches a turn."""
    examples = scale.loop_steps * BATCH
    part = DecodedDataset(
        dataset.train_inputs[:examples],
        dataset.train_targets[:examples],
        dataset.test_inputs,
        dataset.test_targets,
        10,
    )
    trainer = make_trainer("backprop", part)
    trainer.warm_up()
    model = plain_network()
    optimizer = adam(model)
    bare = lambda: bare_epoch(model, optimizer, part.train_inputs, part.train_targets)  # noqa: E731
    bare()
    trainer.train_epoch()
    ratios = []
    for turn in range(scale.rounds):
        sides = {"bare": bare, "suite": trainer.train_epoch}
        order = list(sides) if turn % 2 else list(sides)[::-1]
        took = {name: seconds(sides[name]) for name in order}
        ratios.append(took["bare"] / took["suite"])
    yield "suite's loop / bare loop, images/s", quartiles(ratios)


def fitting_rules() -> list[str]:
    """Return the rules that can work in the network; name the others."""
    shapes = shapes_of(ARCHITECTURE, (1, 28, 28), 10)
    rules = sorted(installed_registry().rules.items())
    reasons = {name: incompatibilities(rule.traits, shapes) for name, rule in rules}
    for name, found in reasons.items():
        if found:
            print(f"left out: {name}: {'; '.join(found)}")
    return [name for name, found in reasons.items() if not found]


def rules_against_autograd(scale: Scale) -> Iterator[Row]:
    """Yield the time from forward to gradients relative to plain autograd in an equal nn.Sequential.

    Each rule is paired with a plain network of its own and the two take turns. Both are built anew several times: where
    the allocator happens to put weights and gradients moves a ratio by a few hundredths for a network's whole life.
    """
    for name in fitting_rules():
        ratios = [ratio for layout in range(scale.layouts) for ratio in _pair(name, layout, scale)]
        yield f"{name} / plain autograd, forward to gradients", quartiles(ratios)


def _pair(rule_name: str, layout: int, scale: Scale) -> list[float]:
    torch.manual_seed(layout)
    # A block of another size each time, so that what follows lies elsewhere.
    _shift = torch.empty(100_003 * (layout + 1))
    batch = Batch(torch.rand(scale.batch, 1, 28, 28), torch.randint(0, 10, (scale.batch,)), CrossEntropy())
    model = plain_network()
    empty = DecodedDataset(torch.zeros(1, 1, 28, 28), torch.zeros(1), torch.zeros(1, 1, 28, 28), torch.zeros(1), 10)
    rule = make_trainer(rule_name, empty).rule

    def plain() -> None:
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(batch.inputs), batch.targets).backward()

    def through_rule() -> None:
        rule.network.zero_grad(set_to_none=True)
        rule.assign_credit(batch)

    return paired(plain, through_rule, scale.turns, scale.calls)


def loop_against_loader(dataset: DecodedDataset, data_root: Path, rounds: int) -> Iterator[Row]:
    """Yield images/s of the suite's loop relative to torchvision's MNIST with transforms and a DataLoader."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import MNIST

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    usual = MNIST(str(data_root), train=True, transform=transform)
    trainer = make_trainer("backprop", dataset)
    trainer.warm_up()
    model = plain_network()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4)
    for workers in (0, 2):
        loader = DataLoader(usual, batch_size=BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)

        def with_loader(loader: DataLoader[object] = loader) -> None:
            for inputs, targets in loader:
                optimizer.zero_grad()
                F.cross_entropy(model(inputs), targets).backward()
                optimizer.step()

        ratios = [seconds(with_loader) / seconds(trainer.train_epoch) for _ in range(rounds)]
        yield f"suite's loop / DataLoader with {workers} workers, images/s", quartiles(ratios)


GOALS = {
    "suite's loop / bare loop, images/s": ">= 0.95",
    "feedback_alignment / plain autograd, forward to gradients": "<= 1.05",
    "direct_feedback_alignment / plain autograd, forward to gradients": "<= 0.90",
    "suite's loop / DataLoader with 0 workers, images/s": ">= 2.4",
}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", default=None)
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    arguments = parser.parse_args(words)
    root = find_data_root(arguments.data_root)
    scale = SMOKE if arguments.smoke else scale_of(arguments.rounds)
    dataset, is_mnist = (alike(4 * BATCH, root), False) if arguments.smoke else mnist_or_alike(root)
    settle_machine(f"data: {'MNIST' if is_mnist else 'random, of the shape of MNIST'}")

    def rows() -> Iterator[Row]:
        yield from loop_against_bare(dataset, scale)
        yield from rules_against_autograd(scale)
        if is_mnist:
            yield from loop_against_loader(dataset, root, scale.loader_rounds)
        else:
            print("no MNIST: the comparison with a DataLoader is left out")

    report(rows(), GOALS, arguments.json)


if __name__ == "__main__":
    main()
