"""A recorded training step against an eager one: same network, data and numbers, other memory.

    python benchmarks/recorded_steps.py [--rules NAME …] [--rounds N] [--device cpu|cuda] [--json FILE] [--smoke]

A 784-1024-512-10 network learns random images of MNIST's shape. Two trainers of one spec, one with ``step: eager`` and
one with ``step: recorded``, take turns at an epoch of 50 steps. Printed is the recorded step's time relative to the
eager one's: the median over turns and their quartiles; and its peak of tensor memory in an epoch relative to the eager
one's, weights and optimizer included, the data set not (goal: at most 1.1). On CUDA the recorded step is a captured
graph. Rules that need another form of network, or whose step cannot be recorded, are left out. Nothing is asserted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import torch
from pairing import add_smoke, paired, quartiles, report, settle_machine
from torch.profiler import ProfilerActivity, profile, record_function

from benchsuite.credit.traits import incompatibilities
from benchsuite.data.load import load_dataset
from benchsuite.data.open import open_data
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.dataset import Normalization, SyntheticDataset
from benchsuite.specs.models.hardware import HardwareSpec, StepMode
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.specs.models.track import RuleSpec
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import Device, open_device
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.step_choice import choose_step
from benchsuite.training.trainer import Trainer

BATCH = 128
ARCHITECTURE = ChainArchitecture.model_validate(
    {"name": "mnist-fc", "kind": "chain", "layers": [{"kind": "dense", "units": units} for units in (1024, 512)]}
)
PROTOCOL = ProtocolSpec.model_validate(
    {"epochs": 1, "batch_size": BATCH, "optimizer": {"kind": "adam", "learning_rate": 3e-4}}
)
STEPS: tuple[StepMode, ...] = ("eager", "recorded")
EPOCH = "the epoch whose memory is measured"
MEMORY = ", recorded / eager peak memory"
MEMORY_STEPS = 3
"""More would only allocate and free the same again; the profiler keeps all events."""
SHAPES = shapes_of(ARCHITECTURE, (1, 28, 28), 10)


def dataset_of(examples: int) -> SyntheticDataset:
    """Return random images of MNIST's shape."""
    return SyntheticDataset(
        name="alike",
        kind="synthetic",
        train_examples=examples,
        test_examples=10,
        height=28,
        width=28,
        normalization=Normalization(mean=(0.5,), std=(0.5,)),
    )


def trainer_of(rule: str, dataset: SyntheticDataset, device: Device, step: StepMode) -> tuple[Trainer, str]:
    """Return a trainer that has begun, and the reason why its step is not the one wanted; empty if it is."""
    registry = installed_registry()
    spec = RuleSpec(name=rule, config=registry.rule_config(rule, {}))
    parts = TrainingSpecs(ARCHITECTURE, PROTOCOL, spec, derive_seeds(0))
    data = open_data(load_dataset(dataset, Path()), dataset, device.torch_device)
    trainer = assemble(parts, data, device, registry, shapes=SHAPES)
    trainer.warm_up()
    trainer.begin()
    chosen = choose_step(trainer, step)
    return trainer, chosen.reason if step == "recorded" else ""


def peak_bytes(rule: str, dataset: SyntheticDataset, device: Device, step: StepMode) -> int:
    """Return the most memory of tensors that a new trainer holds while it trains for an epoch."""
    if device.torch_device.type == "cuda":
        before = torch.cuda.memory_allocated()
        trainer, _ = trainer_of(rule, dataset, device, step)
        torch.cuda.reset_peak_memory_stats()
        trainer.train_epoch()
        return torch.cuda.max_memory_allocated() - before
    # Counts what is allocated in the block: all that the trainer holds, and at its end what the epoch adds.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        trainer, _ = trainer_of(rule, dataset, device, step)
        with record_function(EPOCH):
            trainer.train_epoch()
    assert found.profiler is not None
    events = found.profiler.kineto_results.events()
    (began,) = (event.start_ns() for event in events if event.name() == EPOCH)
    changes = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    held = accumulate(size for _, size in changes)
    return max(total for (at, _), total in zip(changes, held, strict=True) if at >= began)


def rows(rules: Sequence[str], device: Device, steps: int, rounds: int) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the recorded step's time relative to the eager one's, per rule."""
    dataset = dataset_of(steps * BATCH)
    for rule in rules:
        eager, _ = trainer_of(rule, dataset, device, "eager")
        recorded, reason = trainer_of(rule, dataset, device, "recorded")
        if reason:
            print(f"left out: {rule}: {reason}")
            continue
        # The epoch's end reads its sums, so that a device has finished when it returns.
        yield f"{rule}, recorded / eager step", quartiles(paired(eager.train_epoch, recorded.train_epoch, rounds, 1))
        del eager, recorded
        sizes = {step: peak_bytes(rule, dataset_of(MEMORY_STEPS * BATCH), device, step) for step in STEPS}
        ratio = round(sizes["recorded"] / sizes["eager"], 4)
        yield f"{rule}{MEMORY}", {"median": ratio, "low": ratio, "high": ratio, "rounds": 1}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    fitting = [name for name, rule in installed_registry().rules.items() if not incompatibilities(rule.traits, SHAPES)]
    parser.add_argument("--rules", nargs="+", choices=sorted(fitting), default=sorted(fitting))
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    arguments = parser.parse_args(words)
    device = open_device(HardwareSpec(name=arguments.device, device=arguments.device))
    settle_machine(f"device: {device.used.device_name}, batches of {BATCH}")
    goals = {f"{rule}{MEMORY}": "<= 1.1" for rule in fitting}
    if arguments.smoke:
        report(rows(["backprop"], device, 1, 2), goals, arguments.json)
    else:
        report(rows(arguments.rules, device, 50, arguments.rounds), goals, arguments.json)


if __name__ == "__main__":
    main()
