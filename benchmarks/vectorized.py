"""Cost of credit in a vectorized network, beside autograd, the network's own products, and an ordinary network.

    python benchmarks/vectorized.py [--rounds N] [--json FILE]

The network of the GEVB paper's MNIST FC, 784-1024-512 with ten components, on batches of 128 random images. Everything
is measured in one process and one run, the sides of a ratio taking turns, after a warm-up and with glibc's allocator
thresholds fixed. Printed are ratios: the median over rounds and, in brackets, their quartiles. Nothing is asserted; the
goals stand beside the figures.

The products are those that GEVB cannot do without: each component's first layer, the second layer on all components,
and the two weight gradients, the second after the error has been contracted. Gates, biases and the readout are not
among them. An ordinary network is timed twice: as plain PyTorch has it (nn.Linear, autograd, Adam with its defaults, on
batches that lie ready), and in the suite's own loop, which is faster.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from pairing import add_smoke, quartiles, report, seconds, settle_machine
from torch import Tensor, nn

from benchsuite.credit.batch import Batch
from benchsuite.credit.rule import Rule
from benchsuite.data.load import load_dataset
from benchsuite.data.resident import ResidentData
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CrossEntropy
from benchsuite.networks.network import Network
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.dataset import Normalization, SyntheticDataset
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.seeds import derive_seeds, generator
from benchsuite.training.trainer import Trainer
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.gevb import GlobalErrorVectorBroadcasting

BATCH, CLASSES, INPUTS, HIDDEN = 128, 10, 784, (1024, 512)
LAYERS = [{"kind": "dense", "units": units} for units in HIDDEN]
ORDINARY = ChainArchitecture.model_validate({"kind": "chain", "name": "ordinary", "layers": LAYERS})
VECTORIZED = ChainArchitecture.model_validate(
    {
        "kind": "chain",
        "name": "vectorized",
        "form": "vectorized",
        "weight_sign": "nonnegative",
        "layers": LAYERS,
        "defaults": {"activation": "vector_gate", "initialization": {"scheme": "he_normal", "on_off": "channels"}},
    }
)
PROTOCOL = ProtocolSpec.model_validate(
    {"epochs": 1, "batch_size": BATCH, "optimizer": {"kind": "adam", "learning_rate": 3e-4}}
)
STEPS = 4
"""Training steps in a turn of the suite's loop."""
GOALS = {
    "gevb / its own products": "<= 1.25",
    "gevb / autograd in the same network": "<= 0.85",
    "backprop in short form / gevb": "<= 1.05",
    "gevb with Adam / an ordinary MLP in plain PyTorch, images/s": ">= 0.17",
}


def attached(rule: Rule, network: Network) -> Rule:
    rule.attach(network, torch.Generator().manual_seed(1))
    return rule


def credit_of(rule: Rule, batch: Batch) -> Callable[[], object]:
    """Return a step from the batch to gradients under a rule."""

    def act() -> None:
        rule.network.zero_grad(set_to_none=True)
        rule.assign_credit(batch)

    return act


def autograd_of(network: Network, batch: Batch) -> Callable[[], object]:
    """Return the same by torch alone: all components of every cotangent are carried back."""

    def act() -> None:
        network.zero_grad(set_to_none=True)
        batch.criterion(network(batch.inputs), batch.targets).backward()

    return act


def products_of(network: Network, inputs: Tensor) -> Callable[[], object]:
    """Return the matrix products of a GEVB step, on tensors that lie ready."""
    first, second = (network.maps[name].weight.detach() for name in network.hidden)
    wide, narrow = HIDDEN
    banks = first.view(CLASSES, wide, INPUTS).transpose(1, 2)
    batch = len(inputs)
    repeated = inputs.expand(CLASSES, batch, INPUTS)
    activations, cotangent = torch.randn(CLASSES * batch, wide), torch.randn(CLASSES, batch, wide)
    contracted, gate = torch.randn(batch, wide), torch.randn(batch, narrow)

    def act() -> None:
        torch.bmm(repeated, banks)
        activations @ second.t()
        gate.t() @ contracted
        torch.bmm(cotangent.transpose(1, 2), repeated)

    return act


def trainer_of(architecture: ChainArchitecture, rule: Rule, examples: int) -> Trainer:
    """Return the suite's own training loop on random images of MNIST's shape."""
    alike = SyntheticDataset(
        name="alike", kind="synthetic", train_examples=examples, test_examples=10, height=28, width=28
    )
    dataset, seeds = load_dataset(alike, Path()), derive_seeds(0)
    network = build(shapes_of(architecture, dataset.input_shape, CLASSES), generator(seeds, "init"))
    rule.attach(network, generator(seeds, "feedback"))
    data = ResidentData(dataset, Normalization(mean=(0.5,), std=(0.5,)), "cpu")
    return Trainer(network, rule, data, PROTOCOL, seeds)


def plain_mlp_of(trainer: Trainer) -> Callable[[], object]:
    """Return an epoch of an ordinary MLP as most would write it, on the same images as the trainer's."""
    widths = (INPUTS, *HIDDEN, CLASSES)
    layers = [nn.Linear(before, after) for before, after in pairwise(widths)]
    mlp = nn.Sequential(nn.Flatten(), layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimizer = torch.optim.Adam(mlp.parameters(), lr=3e-4)
    criterion = nn.CrossEntropyLoss()
    batches = list(trainer.data.train_slices(BATCH))

    def act() -> None:
        for inputs, targets in batches:
            optimizer.zero_grad()
            criterion(mlp(inputs), targets).backward()
            optimizer.step()

    return act


def ratios(numerator: Callable[[], object], denominator: Callable[[], object], rounds: int) -> dict[str, float]:
    """Return numerator over denominator, the two taking turns at being first."""
    for act in (numerator, denominator) * 3:
        act()
    found = []
    for turn in range(rounds):
        if turn % 2:
            above, below = seconds(numerator), seconds(denominator)
        else:
            below, above = seconds(denominator), seconds(numerator)
        found.append(above / below)
    return quartiles(found)


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    arguments = parser.parse_args(words)
    batch_size, examples, rounds = BATCH, STEPS * BATCH, arguments.rounds
    if arguments.smoke:
        batch_size, examples, rounds = 2, 2, 2
    settle_machine()
    network = build(shapes_of(VECTORIZED, (INPUTS,), CLASSES), torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(2)
    inputs = torch.randn(batch_size, INPUTS, generator=random)
    batch = Batch(inputs, torch.randint(CLASSES, (batch_size,), generator=random), CrossEntropy())
    gevb = credit_of(attached(GlobalErrorVectorBroadcasting(), network), batch)
    backprop = credit_of(attached(Backprop(), network), batch)
    on_vectors = trainer_of(VECTORIZED, GlobalErrorVectorBroadcasting(), examples)
    on_numbers = trainer_of(ORDINARY, Backprop(), examples)
    pairs = {
        "gevb / its own products": (gevb, products_of(network, inputs)),
        "gevb / autograd in the same network": (gevb, autograd_of(network, batch)),
        "backprop in short form / gevb": (backprop, gevb),
        # Images per second: the ordinary network's time over the vectorized one's.
        "gevb with Adam / an ordinary MLP in plain PyTorch, images/s": (
            plain_mlp_of(on_numbers),
            on_vectors.train_epoch,
        ),
        "gevb with Adam / backprop in an ordinary network, the suite's loop": (
            on_numbers.train_epoch,
            on_vectors.train_epoch,
        ),
    }
    rows = ((name, ratios(*sides, rounds)) for name, sides in pairs.items())
    report(rows, GOALS, arguments.json)


if __name__ == "__main__":
    main()
