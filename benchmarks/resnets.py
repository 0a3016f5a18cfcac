"""ResNets through the suite against torchvision's with plain torch: images/s, and peak memory of feedback alignment.

    python benchmarks/resnets.py [--device cuda] [--precision bf16] [--turns N] [--what NAME …] [--json FILE]

A step is forward, credit, and the optimizer's update, of one batch that stays where it is. The sides of a pair take
turns in one process. Printed are ratios of images/s, medians and quartiles over the turns; memory is the peak of three
steps, each rule in a process of its own. Nothing is asserted; the goals stand beside the figures.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from pairing import add_smoke, paired, quartiles, report, settle_machine
from torch import nn
from torchvision.models import get_model

from benchsuite.data.open import open_data
from benchsuite.data.tensors import DecodedDataset
from benchsuite.execution.allocator import keep_freed_memory
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.loading.kinds import adapter_of
from benchsuite.specs.loading.library import SpecLibrary, builtin_folder
from benchsuite.specs.models.dataset import SyntheticDataset
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.specs.models.track import RuleSpec
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import open_device, peak_memory, reset_peak_memory
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.trainer import Trainer

SGD = {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
# Architecture, side of an image, classes, examples in a batch on a CPU and on a GPU.
NETWORKS = {"resnet18": (224, 1000, 8, 256), "resnet20": (32, 10, 128, 128)}
GOALS = {
    "resnet18, backprop / torchvision": ">= 0.95",
    "resnet18, feedback_alignment / backprop": ">= 0.9",
    "resnet18, kolen_pollack / backprop": ">= 0.9",
    "resnet20, backprop / plain torch": ">= 0.95",
    "resnet18, memory of feedback_alignment / (backprop + feedback)": "<= 1.1",
}


class Block(nn.Module):
    """He et al.'s block for CIFAR, with shortcuts that have no weights; nothing of the suite."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.stride, self.added = stride, outputs - inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        y = F.relu(self.norm1(self.conv1(x)), inplace=True)
        if self.added:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))
        return F.relu(self.norm2(self.conv2(y)) + x, inplace=True)


def plain_resnet20() -> nn.Module:
    widths = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64]
    blocks = [Block(i, o, 2 if o > i else 1) for i, o in pairwise(widths)]
    stem = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def plain(name: str) -> nn.Module:
    return plain_resnet20() if name == "resnet20" else get_model(name, weights=None)


def make_trainer(name: str, rule: str, hardware: HardwareSpec, batch: int) -> Trainer:
    side, classes, *_ = NETWORKS[name]
    architecture = adapter_of("architecture").validate_python(
        {**SpecLibrary([builtin_folder()]).load("architectures", name).plain(), "name": name}
    )
    protocol = ProtocolSpec.model_validate({"epochs": 1, "batch_size": batch, "optimizer": SGD})
    data = SyntheticDataset(name="random", kind="synthetic")
    images = torch.randint(256, (batch, 3, side, side), dtype=torch.uint8)
    labels = torch.randint(classes, (batch,))
    device, registry = open_device(hardware), installed_registry()
    random = DecodedDataset(images, labels, images[:1], labels[:1], classes)
    parts = TrainingSpecs(
        architecture, protocol, RuleSpec(name=rule, config=registry.rule_config(rule, {})), derive_seeds(0)
    )
    trainer = assemble(parts, open_data(random, data, device.torch_device), device, registry)
    trainer.set_channels_last(hardware.memory_format == "channels_last")
    trainer.network.train()
    trainer.rule.train()
    return trainer


def step_of(trainer: Trainer) -> Callable[[], object]:
    batch = next(trainer.batches())
    return synchronized(lambda: trainer._step(batch), trainer.data.device)


def plain_step(name: str, hardware: HardwareSpec, batch: int) -> Callable[[], object]:
    """Return a training step as anybody would write it."""
    side, classes, *_ = NETWORKS[name]
    device = torch.device(hardware.device)
    last = torch.channels_last if hardware.memory_format == "channels_last" else torch.contiguous_format
    module = plain(name).to(device, memory_format=last).train()
    images = torch.randn(batch, 3, side, side, device=device).contiguous(memory_format=last)
    labels = torch.randint(classes, (batch,), device=device)
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
    optimizer = torch.optim.SGD(module.parameters(), **settings, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=hardware.precision == "bf16"):
            loss = F.cross_entropy(module(images), labels)
        loss.backward()
        optimizer.step()

    return synchronized(step, device)


def synchronized(act: Callable[[], object], device: torch.device) -> Callable[[], object]:
    if device.type != "cuda":
        return act

    def wait() -> None:
        act()
        torch.cuda.synchronize(device)

    return wait


def images_per_s(base: Callable[[], object], other: Callable[[], object], turns: int, calls: int) -> dict[str, float]:
    """Return the images/s of ``other`` as a share of ``base``'s."""
    return quartiles([1 / ratio for ratio in paired(base, other, turns, calls)])


def peak_mib(name: str, rule: str, hardware: dict[str, object], batch: int, sent: object) -> None:
    """Send (peak memory of three steps less what was held before the network was made, feedback weights), in MiB."""
    spec = HardwareSpec.model_validate(hardware)
    device = open_device(spec).torch_device
    keep_freed_memory()
    torch.zeros(1, device=device)
    reset_peak_memory(device)
    before = peak_memory(device)[0] or 0.0
    trainer = make_trainer(name, rule, spec, batch)
    step = step_of(trainer)
    for _ in range(3):
        step()
    feedback = sum(t.numel() * t.element_size() for t in trainer.rule.state_dict().values() if torch.is_tensor(t))
    sent.put(((peak_memory(device)[0] or 0.0) - before, feedback / 2**20))  # type: ignore[attr-defined]


def memory(name: str, rule: str, hardware: HardwareSpec, batch: int) -> tuple[float, float]:
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    worker = context.Process(target=peak_mib, args=(name, rule, hardware.model_dump(), batch, queue))
    worker.start()
    found: tuple[float, float] = queue.get()
    worker.join()
    return found


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "tf32", "bf16"])
    parser.add_argument("--memory-format", default="contiguous", choices=["contiguous", "channels_last"])
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--calls", type=int, default=3)
    parser.add_argument("--batch", type=int, default=None, help="of ResNet-18; 8 on a CPU, 256 on a GPU")
    parser.add_argument("--what", nargs="+", default=["resnet18", "resnet20", "memory"])
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    given = parser.parse_args(words)
    if given.smoke:
        given.what, given.turns, given.calls, given.batch = ["resnet20"], 2, 1, 2
    hardware = HardwareSpec(
        name="timed", device=given.device, precision=given.precision, memory_format=given.memory_format
    )
    settle_machine(f"{given.device}, {given.precision}, {given.memory_format}")
    report(_rows(given, hardware), GOALS, given.json)


def _rows(given: argparse.Namespace, hardware: HardwareSpec) -> Iterator[tuple[str, dict[str, float]]]:
    on_gpu = given.device.startswith("cuda")
    for name, against in (("resnet18", "torchvision"), ("resnet20", "plain torch")):
        if name not in given.what:
            continue
        batch = given.batch if name == "resnet18" or given.smoke else None
        batch = batch or NETWORKS[name][3 if on_gpu else 2]
        backprop = step_of(make_trainer(name, "backprop", hardware, batch))
        sides = plain_step(name, hardware, batch), backprop
        yield f"{name}, backprop / {against}", images_per_s(*sides, given.turns, given.calls)
        for rule in ("feedback_alignment", "sign_symmetry", "kolen_pollack")[: 1 if given.smoke else None]:
            other = step_of(make_trainer(name, rule, hardware, batch))
            yield f"{name}, {rule} / backprop", images_per_s(backprop, other, given.turns, given.calls)
    if "memory" in given.what:
        batch = given.batch or NETWORKS["resnet18"][3 if on_gpu else 2]
        exact, _ = memory("resnet18", "backprop", hardware, batch)
        found, feedback = memory("resnet18", "feedback_alignment", hardware, batch)
        ratio = round(found / (exact + feedback), 4)
        print(f"resnet18, batch {batch}: backprop {exact:.0f} MiB, feedback_alignment {found:.0f}, B {feedback:.0f}")
        share = {"median": ratio, "low": ratio, "high": ratio, "rounds": 1}
        yield "resnet18, memory of feedback_alignment / (backprop + feedback)", share


if __name__ == "__main__":
    main()
