"""The training loop: one network, one rule, one data set on one device.

Nothing in an epoch reads a tensor's value on the host. Sums stay on the device and are read once, when it ends.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchsuite.data.resident import ResidentData
from benchsuite.harness.optimization import learning_rate_at, make_optimizer, set_learning_rate
from benchsuite.harness.orthogonality import add_orthogonality_gradients
from benchsuite.harness.seeds import generator
from benchsuite.network.criterion import criterion_of
from benchsuite.network.network import Network
from benchsuite.record.model import SetMetrics
from benchsuite.rule import Batch, Rule, StepResult
from benchsuite.spec.protocol import ProtocolSpec


class TimeBudgetSpentError(Exception):
    """The protocol's ``timeout_s`` is over."""


@dataclass(frozen=True)
class EpochSums:
    """What an epoch added up, read from the device once."""

    loss: float
    """Mean over examples; may be NaN or infinite."""
    error: float
    examples: int


class Trainer:
    """A network, its rule and its optimizer, with the random streams that training draws from."""

    def __init__(
        self, network: Network, rule: Rule, data: ResidentData, protocol: ProtocolSpec, seeds: dict[str, int]
    ) -> None:
        self.network = network
        self.rule = rule
        self.data = data
        self.protocol = protocol
        self.criterion = criterion_of(protocol.loss)
        self.optimizer = make_optimizer(protocol.optimizer, network, rule)
        self.order = generator(seeds, "order")
        self.dropout = generator(seeds, "dropout", data.device)
        network.set_dropout_generator(self.dropout)
        self.epoch = 0
        """Epochs finished."""

    @property
    def learning_rate(self) -> float:
        """The rate of the epoch to come."""
        return learning_rate_at(self.protocol, self.epoch)

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has."""
        full, rest = divmod(self.data.train_examples, self.protocol.batch_size)
        return full + (1 if rest and (self.protocol.last_batch == "keep" or not full) else 0)

    def batches(self) -> Iterator[Batch]:
        """Yield an epoch's batches, in a fresh random order unless the protocol keeps that of the data set.

        All have one shape but the last, which is smaller where ``last_batch`` is 'keep' and the sizes do not divide.
        """
        if self.protocol.order == "fixed":
            order = torch.arange(self.data.train_examples, device=self.data.device)
        else:
            order = torch.randperm(self.data.train_examples, generator=self.order).to(self.data.device)
        for indices in torch.split(order, self.protocol.batch_size)[: self.steps_per_epoch]:
            inputs, targets = self.data.train_batch(indices)
            yield Batch(inputs, targets, self.criterion)

    def warm_up(self) -> None:
        """Take one step and undo it, so that lazy imports, libraries' set-up and first kernels are off the clock.

        On a CPU, torch's first optimizer step alone imports modules for seconds.
        """
        before = copy.deepcopy(self.state())
        self.network.train()
        self.rule.train()
        self._step(next(self.batches()))
        self.optimizer.zero_grad(set_to_none=True)
        self.load_state(before)

    def begin(self) -> None:
        """Let the rule do what it does before the first batch of a run."""
        self.network.train()
        self.rule.train()
        self.rule.before_training()

    def _step(self, batch: Batch) -> StepResult:
        self.optimizer.zero_grad(set_to_none=True)
        result = self.rule.assign_credit(batch)
        if self.protocol.orthogonality is not None:
            add_orthogonality_gradients(self.network, self.protocol.orthogonality)
        self.optimizer.step()
        self.network.constrain()
        self.rule.after_update()
        return result

    def train_epoch(self, deadline: float | None = None) -> EpochSums:
        """Train for one epoch.

        Args:
            deadline: on ``time.perf_counter``; None for no limit.

        Raises:
            TimeBudgetSpentError: when the deadline passes; the epoch then does not count.

        """
        self.network.train()
        self.rule.train()
        set_learning_rate(self.optimizer, self.learning_rate)
        loss_sum = torch.zeros((), device=self.data.device, dtype=torch.float64 if _has_float64(self.data) else None)
        wrong = torch.zeros((), device=self.data.device, dtype=torch.int64)
        examples = 0
        for batch in self.batches():
            result = self._step(batch)
            loss_sum.add_(result.loss, alpha=len(batch.targets))
            wrong.add_(count_wrong(result.logits, batch.targets))
            examples += len(batch.targets)
            if deadline is not None and time.perf_counter() > deadline:
                raise TimeBudgetSpentError
        self.optimizer.zero_grad(set_to_none=True)
        self.epoch += 1
        return EpochSums(loss_sum.item() / examples, wrong.item() / examples, examples)

    def evaluate(self, part: str) -> SetMetrics | None:
        """Measure on the whole 'train' or 'test' set in evaluation mode; None if the loss is not finite."""
        self.network.eval()
        size = self.protocol.evaluation.batch_size
        slices = self.data.train_slices(size) if part == "train" else self.data.test_slices(size)
        sums = torch.zeros(3, device=self.data.device, dtype=torch.float64 if _has_float64(self.data) else None)
        examples = 0
        with torch.no_grad():
            for inputs, targets in slices:
                logits = self.network(inputs)
                sums[0] += self.criterion.summed(logits, targets)
                sums[1] += count_wrong(logits, targets)
                if self.data.classes > 5:
                    sums[2] += count_wrong_top5(logits, targets)
                examples += len(targets)
        loss, wrong, wrong5 = (sums / examples).tolist()
        if loss != loss or loss in (float("inf"), float("-inf")):
            return None
        top5 = wrong5 if self.data.classes > 5 else None
        return SetMetrics(loss=loss, error=wrong, top5_error=top5, examples=examples)

    def state(self) -> dict[str, Any]:
        """Return everything that training depends on, for a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "rule": self.rule.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order.get_state(),
            "dropout": self.dropout.get_state(),
            "epoch": self.epoch,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned, in a trainer made from the same spec."""
        self.network.load_state_dict(state["network"])
        self.rule.load_state_dict(state["rule"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order.set_state(state["order"])
        self.dropout.set_state(state["dropout"])
        self.epoch = int(state["epoch"])


def count_wrong(logits: Tensor, targets: Tensor) -> Tensor:
    """Return how many examples' largest output is not their class, on the device.

    An output that is not a number counts as wrong: argmax would take it for the largest.
    """
    top, predicted = logits.max(1)
    return ((predicted != targets) | top.isnan()).sum()


def count_wrong_top5(logits: Tensor, targets: Tensor) -> Tensor:
    """Return how many examples' class is not among the five largest outputs, on the device."""
    return (logits.topk(5, 1).indices != targets.unsqueeze(1)).all(1).sum()


def _has_float64(data: ResidentData) -> bool:
    return data.device.type != "mps"
