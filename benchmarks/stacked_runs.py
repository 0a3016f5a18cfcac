"""Eight runs of one track and rule stacked in a leading dimension, against eight recorded runs one after another.

    python benchmarks/stacked_runs.py [--tracks NAME …] [--rules NAME …] [--rounds N] [--json FILE] [--smoke]

A prototype, not part of the suite: four seeds times two learning rates of a dense network share one forward pass, one
backward pass (batched products) and one Adam with a rate per run. The runs start from the suite's own weights and see
its orders of examples; after an epoch, the largest difference of a weight is printed. Timed are epochs of steps on
random images of the track's shape, the two sides taking turns. Printed is the time of the stack relative to that of
eight trainers of the suite with ``step: recorded``. Threads: one. Nothing is asserted.

``per run``: the fused Adam of torch, on each run's weights in turn. ``at once``: Adam written in whole-tensor
operations on all runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from pairing import add_smoke, paired, quartiles, report, settle_machine
from torch import Tensor

from benchsuite.data.load import load_dataset
from benchsuite.data.open import open_data
from benchsuite.data.resident import ResidentData
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.registry.manager import installed_registry
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite.specs.models.dataset import Normalization, SyntheticDataset
from benchsuite.specs.models.hardware import HardwareSpec
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.specs.models.track import RuleSpec
from benchsuite.training.build_trainer import TrainingSpecs, assemble
from benchsuite.training.device import open_device
from benchsuite.training.seeds import derive_seeds
from benchsuite.training.step_choice import choose_step
from benchsuite.training.trainer import Trainer

RULES = ("backprop", "feedback_alignment", "direct_feedback_alignment")
SEEDS = range(4)
RATES = (3e-4, 1e-3)
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Shape:
    """Sizes of a track: image side, hidden units, batch, steps per epoch."""

    side: int
    hidden: tuple[int, ...]
    batch: int
    steps: int


TRACKS = {"digits-fc": Shape(8, (256, 128), 32, 44), "mnist-fc": Shape(28, (1024, 512), 128, 10)}


def trainers_of(shape: Shape, rule: str, seeds: Iterable[int]) -> list[Trainer]:
    """Return the suite's trainers, one per seed and learning rate, which share a data set; their steps are recorded."""
    dataset = SyntheticDataset(
        name="alike",
        kind="synthetic",
        train_examples=shape.steps * shape.batch,
        test_examples=10,
        height=shape.side,
        width=shape.side,
        normalization=Normalization(mean=(0.5,), std=(0.5,)),
    )
    layers = [{"kind": "dense", "units": units} for units in shape.hidden]
    architecture = ChainArchitecture.model_validate({"name": "alike", "kind": "chain", "layers": layers})
    device = open_device(HardwareSpec(name="cpu", device="cpu"))
    data = open_data(load_dataset(dataset, Path()), dataset, device.torch_device)
    registry = installed_registry()
    spec = RuleSpec(name=rule, config=registry.rule_config(rule, {}))
    shapes = shapes_of(architecture, (1, shape.side, shape.side), 10)
    made = []
    for seed in seeds:
        for rate in RATES:
            optimizer = {"kind": "adam", "learning_rate": rate}
            protocol = ProtocolSpec.model_validate({"epochs": 1, "batch_size": shape.batch, "optimizer": optimizer})
            parts = TrainingSpecs(architecture, protocol, spec, derive_seeds(seed))
            trainer = assemble(parts, data, device, registry, shapes=shapes)
            trainer.warm_up()
            trainer.begin()
            choice = choose_step(trainer, "recorded")
            assert choice.step == "recorded", choice.reason
            made.append(trainer)
    return made


class Stack:
    """Runs of equal shapes in a leading dimension; weights, gradients and Adam's moments are rows of flat buffers.

    Args:
        trainers: the suite's trainers, whose weights, feedback and orders are taken over.
        rule: backprop, feedback_alignment or direct_feedback_alignment.
        at_once: True for Adam in whole-tensor operations; False for torch's fused Adam, run by run.

    """

    def __init__(self, trainers: Sequence[Trainer], rule: str, at_once: bool) -> None:
        first = trainers[0]
        assert isinstance(first.data, ResidentData)
        self.rule, self.at_once, self.data, self.batch = rule, at_once, first.data, first.protocol.batch_size
        self.runs = len(trainers)
        self.orders = [torch.Generator() for _ in trainers]
        for mine, trainer in zip(self.orders, trainers, strict=True):
            mine.set_state(trainer.order.get_state())
        each = [[p.detach() for p in trainer.network.parameters()] for trainer in trainers]
        self.flat = torch.stack([torch.cat([p.flatten() for p in run]) for run in each])  # (runs, weights)
        self.gradient = torch.zeros_like(self.flat)
        self.weights, self.biases = self._views(self.flat, each[0])
        self.weight_gradients, self.bias_gradients = self._views(self.gradient, each[0])
        self.feedback = self._feedback(trainers)
        rates = [trainer.protocol.optimizer.learning_rate for trainer in trainers]
        self.rates = torch.tensor(rates).unsqueeze(1)  # (runs, 1)
        self.first_moment, self.second_moment = torch.zeros_like(self.flat), torch.zeros_like(self.flat)
        self.steps = 0
        rows = [torch.nn.Parameter(row) for row in self.flat]
        for row, gradient in zip(rows, self.gradient, strict=True):
            row.grad = gradient
        groups = [{"params": [row], "lr": rate} for row, rate in zip(rows, rates, strict=True)]
        self.fused = torch.optim.Adam(groups, fused=True)
        self.loss, self.wrong = torch.zeros(self.runs), torch.zeros(self.runs)

    def _views(self, flat: Tensor, alike: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Return weights (runs, out, in) and biases (runs, out) that share a flat buffer's memory."""
        found, start = [], 0
        for parameter in alike:
            part = flat[:, start : start + parameter.numel()]
            found.append(part.view(self.runs, *parameter.shape))
            start += parameter.numel()
        return found[0::2], found[1::2]

    def _feedback(self, trainers: Sequence[Trainer]) -> list[Tensor]:
        """Return what pulls credit back to each hidden segment: (runs, units or classes above, units)."""
        if self.rule == "backprop":
            return self.weights[1:]
        buffers = [dict(trainer.rule.named_buffers()) for trainer in trainers]
        if self.rule == "feedback_alignment":
            names = ["feedback.dense2", "feedback.readout"]
            return [torch.stack([found[name] for found in buffers]) for name in names]
        shared = torch.stack([found["feedback_weight"] for found in buffers])
        return [shared[:, :, : weight.shape[1]] for weight in self.weights[:-1]]

    def epoch(self) -> None:
        """Train every run for an epoch, each in its own order."""
        examples = self.data.train_examples
        orders = torch.stack([torch.randperm(examples, generator=order) for order in self.orders])
        for start in range(0, examples, self.batch):
            self._step(orders[:, start : start + self.batch])
        self.loss.tolist(), self.wrong.tolist()

    def _step(self, chosen: Tensor) -> None:
        indices = chosen.reshape(-1)
        inputs = self.data.normalized(self.data.train_inputs[indices]).view(*chosen.shape, -1)  # (runs, batch, pixels)
        targets = self.data.train_targets[indices]  # (runs * batch)
        acts = [inputs]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            acts.append(torch.baddbmm(bias.unsqueeze(1), acts[-1], weight.mT).relu_())  # (runs, batch, units)
        logits = torch.baddbmm(self.biases[-1].unsqueeze(1), acts[-1], self.weights[-1].mT)  # (runs, batch, classes)
        log_probabilities = F.log_softmax(logits, dim=2)
        picked = log_probabilities.view(len(indices), -1).gather(1, targets.unsqueeze(1)).view(chosen.shape)
        self.loss -= picked.sum(1)
        self.wrong += (logits.argmax(2) != targets.view(chosen.shape)).sum(1)
        error = log_probabilities.exp_()
        error.view(len(indices), -1).scatter_add_(1, targets.unsqueeze(1), error.new_full((len(indices), 1), -1.0))
        error /= chosen.shape[1]
        credit = error
        for layer in reversed(range(len(self.weights))):
            torch.bmm(credit.mT, acts[layer], out=self.weight_gradients[layer])
            torch.sum(credit, 1, out=self.bias_gradients[layer])
            if layer:
                above = error if self.rule == "direct_feedback_alignment" else credit
                credit = torch.bmm(above, self.feedback[layer - 1]).mul_(acts[layer] > 0)  # (runs, batch, units)
        if self.at_once:
            self._adam()
        else:
            self.fused.step()

    def _adam(self) -> None:
        """Take Adam's step on all runs; the rates are a vector over runs."""
        self.steps += 1
        self.first_moment.lerp_(self.gradient, 1 - BETA1)
        self.second_moment.mul_(BETA2).addcmul_(self.gradient, self.gradient, value=1 - BETA2)
        root = (self.second_moment / (1 - BETA2**self.steps)).sqrt_().add_(EPSILON)
        step = self.rates / (1 - BETA1**self.steps)  # (runs, 1)
        self.flat.sub_(torch.div(self.first_moment, root, out=root).mul_(step))


def largest_difference(stack: Stack, trainers: Sequence[Trainer]) -> float:
    """Return the largest difference between a weight of the stack and the trainers' own."""
    theirs = [torch.cat([p.detach().flatten() for p in trainer.network.parameters()]) for trainer in trainers]
    return float((stack.flat - torch.stack(theirs)).abs().max())


def rows(
    tracks: Sequence[str], rules: Sequence[str], seeds: Sequence[int], rounds: int
) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the stack's time relative to the runs' one after another."""
    for track in tracks:
        for rule in rules:
            trainers = trainers_of(TRACKS[track], rule, seeds)
            stacks = {words: Stack(trainers, rule, words == "at once") for words in ("at once", "per run")}

            def one_after_another(trainers: Sequence[Trainer] = trainers) -> None:
                for trainer in trainers:
                    trainer.train_epoch()

            one_after_another()
            for words, stack in stacks.items():
                stack.epoch()
                off = largest_difference(stack, trainers)
                print(
                    f"{track}, {rule}: after an epoch, weights differ by at most {off:.1e} (Adam {words})", flush=True
                )
            for words, stack in stacks.items():
                name = f"{track}, {rule}: {len(trainers)} stacked, Adam {words} / in turn"
                yield name, quartiles(paired(one_after_another, stack.epoch, rounds, 1))


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", nargs="+", choices=list(TRACKS), default=list(TRACKS))
    parser.add_argument("--rules", nargs="+", choices=RULES, default=list(RULES))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, default=None)
    add_smoke(parser)
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    settle_machine(f"{len(SEEDS)} seeds x {len(RATES)} learning rates")
    if arguments.smoke:
        report(rows(["digits-fc"], ["direct_feedback_alignment"], SEEDS[:1], 2), {}, arguments.json)
    else:
        report(rows(arguments.tracks, arguments.rules, SEEDS, arguments.rounds), {}, arguments.json)


if __name__ == "__main__":
    main()
