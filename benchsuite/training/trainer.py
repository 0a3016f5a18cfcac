"""The training loop: one network, one rule, one data set on one device; or a part of each batch on each of several.

Nothing in an epoch reads a tensor's value on the host. Sums stay on the device and are read once, when it ends.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchsuite.credit.rule import Batch, Rule, StepResult
from benchsuite.data.source import TrainingData
from benchsuite.errors import TimeBudgetSpentError as TimeBudgetSpentError
from benchsuite.networks.criterion import criterion_of
from benchsuite.networks.network import Network
from benchsuite.records.model import SetMetrics
from benchsuite.specs.models.protocol import ProtocolSpec
from benchsuite.training.gradient_averaging import GradientAverage
from benchsuite.training.optimization import learning_rate_at, make_optimizer, set_learning_rate
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks
from benchsuite.training.seeds import generator
from benchsuite.training.step import training_step

# Agreeing takes a message between processes, which a step should not wait for.
CLOCK_EVERY_STEPS = 16


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
        self,
        network: Network,
        rule: Rule,
        data: TrainingData,
        protocol: ProtocolSpec,
        seeds: dict[str, int],
        ranks: Ranks = SINGLE_PROCESS,
    ) -> None:
        self.ranks = ranks
        self.network = network
        self.rule = rule
        self.data = data
        self.protocol = protocol
        self.criterion = criterion_of(protocol.loss)
        self.optimizer = make_optimizer(protocol.optimizer, network, rule)
        self._average: GradientAverage | None = None
        self.order = generator(seeds, "order")
        self.augmentation = generator(seeds, "augmentation")
        self.dropout = generator(seeds, "dropout", data.device, ranks.rank)
        network.set_dropout_generator(self.dropout)
        self.channels_last = False
        """Whether images lie pixel after pixel in memory; set before training."""
        self.between_steps: Callable[[int], None] | None = None
        """Told after each step but an epoch's last how many there were in it. What it does is not training: a deadline
        moves on by the time it takes, and it leaves network and rule in training mode."""
        self.epoch = 0
        """Epochs finished."""

    @property
    def _learning(self) -> Iterator[Tensor]:
        """All that the optimizer moves, forward weights first."""
        return (weight for group in self.optimizer.param_groups for weight in group["params"])

    @property
    def learning_rate(self) -> float:
        """The rate of the epoch to come."""
        return learning_rate_at(self.protocol, self.epoch)

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has."""
        return self.protocol.steps_per_epoch(self.data.train_examples)

    def batches(self) -> Iterator[Batch]:
        """Yield an epoch's batches, in a fresh random order unless the protocol keeps that of the data set.

        All have one shape but the last, which is smaller where ``last_batch`` is 'keep' and the sizes do not divide.
        Of several processes each gets its part of every batch.
        """
        examples, size = self.data.train_examples, self.protocol.batch_size
        if self.protocol.order == "fixed":
            order = torch.arange(examples)
        else:
            order = torch.randperm(examples, generator=self.order)
        draws = self.data.draw_augmentation(self.augmentation)
        starts = range(0, examples, size)[: self.steps_per_epoch]
        sizes = [min(size, examples - start) for start in starts]
        own = [self.ranks.local_slice(whole) for whole in sizes]
        parts = [slice(start + part.start, start + part.stop) for start, part in zip(starts, own, strict=True)]
        for (inputs, targets), whole in zip(self.data.train_batches(order, parts, draws), sizes, strict=True):
            yield self.laid_out(Batch(inputs, targets, self.criterion, self.ranks.shard(whole)))

    def set_channels_last(self, last: bool) -> None:
        """Let images lie pixel after pixel from now on, or channel after channel; numbers stay."""
        if last == self.channels_last:
            return
        self.channels_last = last
        form = torch.channels_last if last else torch.contiguous_format
        for module in (self.network, self.rule):
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.dim() == 4:
                    # Not module.to, which puts another tensor in a buffer's place: optimizer and maps have this one.
                    tensor.data = tensor.data.contiguous(memory_format=form)

    def laid_out(self, batch: Batch) -> Batch:
        """Return a batch whose images lie as the network's weights do."""
        if not self.channels_last or batch.inputs.dim() != 4:
            return batch
        return replace(batch, inputs=batch.inputs.contiguous(memory_format=torch.channels_last))

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

    def _averaged(self, batch: Batch) -> AbstractContextManager[None]:
        """Let gradients that are left for a part of a batch become those of the whole."""
        if batch.shard is None:
            return nullcontext()
        if self._average is None:
            self._average = GradientAverage(self._learning)
        return self._average.over(len(batch.targets) / batch.shard.batch_size)

    def _step(self, batch: Batch) -> StepResult:
        return training_step(
            self.network,
            self.rule,
            self.optimizer,
            batch,
            orthogonality=self.protocol.orthogonality,
            averaging=self._averaged,
        )

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
        for step, batch in enumerate(self.batches()):
            result = self._step(batch)
            loss_sum.add_(result.loss, alpha=len(batch.targets))
            wrong.add_(count_wrong(result.logits, batch.targets))
            examples += len(batch.targets)
            if deadline is not None and self._is_late(deadline, step):
                # What made the rule unable to go on is a better reason than the clock.
                self.rule.after_epoch()
                raise TimeBudgetSpentError
            if self.between_steps is not None and step + 1 < self.steps_per_epoch:
                began = time.perf_counter()
                self.between_steps(step + 1)
                deadline = None if deadline is None else deadline + time.perf_counter() - began
        self.optimizer.zero_grad(set_to_none=True)
        self.epoch += 1
        loss, errors, whole = self._totals(loss_sum, wrong, examples)
        # Running averages of batch norms that each process keeps of its own examples, and rounding in what a rule
        # works out by itself: everybody goes on with what is measured and saved.
        self.ranks.broadcast_from_rank0(self._tensors())
        return EpochSums(loss / whole, errors / whole, int(whole))

    def _is_late(self, deadline: float, step: int) -> bool:
        """Whether time is up; several processes ask the first one's clock, now and then."""
        if self.ranks.world_size == 1:
            return time.perf_counter() > deadline
        return step % CLOCK_EVERY_STEPS == 0 and self.ranks.broadcast_object(time.perf_counter() > deadline)

    def _totals(self, *sums: Tensor | int) -> list[float]:
        """Return sums over all processes, read from the device at once."""
        wide = torch.float64 if _has_float64(self.data) else torch.float32
        values = torch.stack([torch.as_tensor(value, dtype=wide, device=self.data.device) for value in sums])
        totals: list[float] = self.ranks.all_reduce_sum(values).tolist()
        return totals

    def _tensors(self) -> Iterator[Tensor]:
        """All that network and rule consist of; a tensor that both have comes once from each."""
        for module in (self.network, self.rule):
            yield from (value for value in module.state_dict().values() if isinstance(value, Tensor))

    def evaluate(self, part: str) -> SetMetrics | None:
        """Measure on the whole 'train' or 'test' set in evaluation mode; None if the loss is not finite."""
        self.network.eval()
        slices_of = self.data.train_slices if part == "train" else self.data.test_slices
        slices = slices_of(self.protocol.evaluation.batch_size, self.ranks.rank, self.ranks.world_size)
        sums = torch.zeros(3, device=self.data.device, dtype=torch.float64 if _has_float64(self.data) else None)
        examples = 0
        with torch.no_grad():
            for inputs, targets in slices:
                logits = self.network(self.laid_out(Batch(inputs, targets, self.criterion)).inputs)
                sums[0] += self.criterion.summed(logits, targets)
                sums[1] += count_wrong(logits, targets)
                if self.data.classes > 5:
                    sums[2] += count_wrong_top5(logits, targets)
                examples += len(targets)
        loss, wrong, wrong5, whole = self._totals(*sums, examples)
        loss, wrong, wrong5, examples = loss / whole, wrong / whole, wrong5 / whole, int(whole)
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
            "augmentation": self.augmentation.get_state(),
            "dropout": self.ranks.all_gather(self.dropout.get_state()),
            "epoch": self.epoch,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over a state that ``state`` returned, in a trainer made from the same spec."""
        self.network.load_state_dict(state["network"])
        self.rule.load_state_dict(state["rule"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.order.set_state(state["order"])
        self.augmentation.set_state(state["augmentation"])
        self.dropout.set_state(state["dropout"][self.ranks.rank])
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


def _has_float64(data: TrainingData) -> bool:
    return data.device.type != "mps"
