"""Cost of measuring the credit: all diagnostics once per epoch, relative to the epoch's training.

    python benchmarks/diagnostics_cost.py [--data-root DIR] [--rules NAME …] [--rounds N] [--json FILE]

Trains 784-500-10 and a small convolutional network on MNIST (random data of its shape where there is none) and measures
after every epoch on the first 128 images, as the harness does. A round is one epoch, then each diagnostic once; printed
are medians over rounds of diagnostics_time / train_time, together and one by one, the quartiles of the former in
brackets. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pairing import add_smoke, settle_machine, write_json

from benchsuite.credit.batch import Batch
from benchsuite.data.load import load_dataset
from benchsuite.data.resident import ResidentData
from benchsuite.data.roots import find_data_root
from benchsuite.data.tensors import DecodedDataset
from benchsuite.diagnostics.contract import Diagnostic
from benchsuite.diagnostics.credit_angle import CreditAngle, PreActivationCreditAngle
from benchsuite.diagnostics.feedback_agreement import EqualSignFraction, FeedbackAngle, FeedbackCorrelation
from benchsuite.diagnostics.one_step_credit_angle import OneStepCreditAngle
from benchsuite.diagnostics.reference_share import ReferenceExampleFraction, ReferenceUnitFraction
from benchsuite.diagnostics.scale import ActivationNorm, CreditNorm, WeightNorm
from benchsuite.diagnostics.update_angle import UpdateAngle
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

EXAMPLES = 128
GOAL = 0.05
DIAGNOSTICS: tuple[type[Diagnostic], ...] = (
    CreditAngle,
    PreActivationCreditAngle,
    OneStepCreditAngle,
    UpdateAngle,
    FeedbackAngle,
    FeedbackCorrelation,
    EqualSignFraction,
    ActivationNorm,
    CreditNorm,
    WeightNorm,
    ReferenceExampleFraction,
    ReferenceUnitFraction,
)
LAYERS: dict[str, list[dict[str, object]]] = {
    "784-500-10": [{"kind": "dense", "units": 500}],
    "conv 8-16, dense 64": [
        {"kind": "conv2d", "channels": 8, "kernel": 5, "padding": 2},
        {"kind": "max_pool", "size": 2},
        {"kind": "conv2d", "channels": 16, "kernel": 5, "padding": 2},
        {"kind": "max_pool", "size": 2},
        {"kind": "dense", "units": 64},
    ],
}
PROTOCOL = ProtocolSpec.model_validate(
    {"epochs": 1, "batch_size": 128, "optimizer": {"kind": "sgd", "learning_rate": 0.05}}
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


def make_trainer(rule_name: str, layers: list[dict[str, object]], dataset: DecodedDataset) -> Trainer:
    architecture = ChainArchitecture.model_validate({"name": "measured", "kind": "chain", "layers": layers})
    seeds = derive_seeds(0)
    network = build(shapes_of(architecture, dataset.input_shape, dataset.classes), generator(seeds, "init"))
    rule = installed_registry().rule(rule_name)()
    rule.attach(network, generator(seeds, "feedback"))
    data = ResidentData(dataset, Normalization(mean=(0.5,), std=(0.5,)), "cpu")
    return Trainer(network, rule, data, PROTOCOL, seeds)


def seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def cost(trainer: Trainer, rounds: int, examples: int) -> dict[str, list[float]]:
    """Return each diagnostic's time by name, and that of all as 'all', relative to the epoch before it, by round."""
    ratios: dict[str, list[float]] = {name: [] for name in ("all", *(d.name for d in DIAGNOSTICS))}
    trainer.warm_up()
    for _ in range(rounds):
        train = seconds(trainer.train_epoch)
        inputs, targets = next(trainer.data.train_slices(examples))
        batch = Batch(inputs, targets, CrossEntropy())
        trainer.network.eval()
        trainer.rule.eval()
        took = {d.name: seconds(partial(d().measure, trainer.rule, batch)) for d in DIAGNOSTICS}
        for name, value in {"all": sum(took.values()), **took}.items():
            ratios[name].append(value / train)
    return ratios


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-root", default=None)
    parser.add_argument("--rules", nargs="+", default=["backprop", "kolen_pollack", "direct_feedback_alignment"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    arguments = parser.parse_args(words)
    root = find_data_root(arguments.data_root)
    dataset, is_mnist = (alike(2 * EXAMPLES, root), False) if arguments.smoke else mnist_or_alike(root)
    rounds = 2 if arguments.smoke else arguments.rounds
    rules = arguments.rules[:1] if arguments.smoke else arguments.rules
    settle_machine(f"data: {'MNIST' if is_mnist else 'random, of the shape of MNIST'}")
    print(f"all diagnostics on {EXAMPLES} images / one epoch; goal <= {GOAL}")
    results = {}
    for title, layers in list(LAYERS.items())[: 1 if arguments.smoke else None]:
        for rule_name in rules:
            ratios = cost(make_trainer(rule_name, layers, dataset), rounds, 8 if arguments.smoke else EXAMPLES)
            results[f"{title}, {rule_name}"] = ratios
            low, middle, high = statistics.quantiles(ratios["all"], n=4)
            print(f"{title + ', ' + rule_name:<50} {middle:.4f}  [{low:.4f}, {high:.4f}]")
            for name in sorted(set(ratios) - {"all"}):
                print(f"    {name:<46} {statistics.median(ratios[name]):.4f}")
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
