"""The training loop of one network with one rule on one data set, on one device or data-parallel on several.

Within an epoch no tensor's value is read on the host. Sums stay on the device and are read once, at the epoch's end.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.errors import TimeBudgetSpentError as TimeBudgetSpentError
from benchsuite.networks.criterion import criterion_of
from benchsuite.training.evaluation import evaluate
from benchsuite.training.gradient_averaging import GradientAverage
from benchsuite.training.optimization import (
    learning_rate_at,
    load_optimizer_state,
    make_optimizer,
    set_learning_rate,
)
from benchsuite.training.ranks import SINGLE_PROCESS, Ranks
from benchsuite.training.seeds import generator, global_streams, set_global_streams
from benchsuite.training.stages import Stages
from benchsuite.training.step import training_step
from benchsuite.training.step_sums import StepSums, widest_float
from benchsuite.training.step_sums import count_wrong as count_wrong
from benchsuite.training.step_sums import count_wrong_top5 as count_wrong_top5

if TYPE_CHECKING:
    from benchsuite.credit.rule import Rule
    from benchsuite.data.source import TrainingData
    from benchsuite.networks.network import Network
    from benchsuite.records.model import SetMetrics
    from benchsuite.specs.models.protocol import ProtocolSpec
    from benchsuite.training.recorded_step import RecordedStep

# With several ranks, rank 0's clock is broadcast; not every step should wait for that message.
CLOCK_EVERY_STEPS = 16


@dataclass(frozen=True)
class EpochSums:
    """Results of an epoch, read from the device once."""

    loss: float
    """Mean over examples; may be NaN or infinite."""
    error: float
    """Fraction of examples that were misclassified, 0 to 1."""
    examples: int


class Trainer:
    """A network, its rule and its optimizer, with the random streams of training."""

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
        self._stages = Stages(protocol, network)
        self.optimizer = make_optimizer(self._stages.optimizer, network, rule)
        self._average: GradientAverage | None = None
        self.order = generator(seeds, "order")
        self.augmentation = generator(seeds, "augmentation")
        self.dropout = generator(seeds, "dropout", data.device, ranks.rank)
        network.set_dropout_generator(self.dropout)
        self.sums = StepSums(data.device)
        self.recorded: RecordedStep | None = None
        """The step over static buffers that epochs replay; None to take steps batch by batch."""
        self.compiled: Callable[..., StepResult] | None = None
        """``training_step`` compiled for full batches; None if it is not compiled."""
        self.channels_last = False
        """True if images are in channels-last format; set before training."""
        self.between_steps: Callable[[int], None] | None = None
        """Called after each step except an epoch's last, with the number of steps taken in the epoch. Its time is not
        training time: a deadline moves by it. It must leave network and rule in training mode."""
        self.on_step: Callable[[int], None] | None = None
        """Called after each step with the number of steps issued in the epoch; must not read from the device."""
        self.epoch = 0
        """Number of finished epochs."""

    @property
    def _learning(self) -> Iterator[Tensor]:
        """All tensors that the optimizer updates, forward weights first."""
        return (weight for group in self.optimizer.param_groups for weight in group["params"])

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next epoch."""
        return learning_rate_at(self.protocol, self.epoch)

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches per epoch."""
        return self.protocol.steps_per_epoch(self.data.train_examples)

    def batches(self) -> Iterator[Batch]:
        """Yield an epoch's batches, in a new random order unless the protocol keeps the order of the data set.

        All batches have one shape, except that the last is smaller if ``last_batch`` is 'keep' and the batch size does
        not divide the number of examples. With several ranks, each gets its part of every batch.
        """
        examples, size = self.data.train_examples, self.protocol.batch_size
        order, draws = self._draw_epoch()
        starts = range(0, examples, size)[: self.steps_per_epoch]
        sizes = [min(size, examples - start) for start in starts]
        own = [self.ranks.local_slice(whole) for whole in sizes]
        parts = [slice(start + part.start, start + part.stop) for start, part in zip(starts, own, strict=True)]
        for (inputs, targets), whole in zip(self.data.train_batches(order, parts, draws), sizes, strict=True):
            yield self.with_memory_format(Batch(inputs, targets, self.criterion, self.ranks.shard(whole)))

    def _draw_epoch(self) -> tuple[Tensor, Tensor | None]:
        """Draw an epoch's order and its augmentation, on the CPU."""
        examples = self.data.train_examples
        if self.protocol.order == "fixed":
            order = torch.arange(examples)
        else:
            order = torch.randperm(examples, generator=self.order)
        return order, self.data.draw_augmentation(self.augmentation)

    def set_channels_last(self, last: bool) -> None:
        """Change the memory format of images and weights to channels last or contiguous; values stay the same."""
        if last == self.channels_last:
            return
        self.channels_last = last
        self._forget_recording()
        form = torch.channels_last if last else torch.contiguous_format
        for module in (self.network, self.rule):
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.dim() == 4:
                    # Not module.to, which replaces buffers by new tensors: optimizer and maps hold these ones.
                    tensor.data = tensor.data.contiguous(memory_format=form)

    def with_memory_format(self, batch: Batch) -> Batch:
        """Return the batch with its images in the memory format of the network's weights."""
        if not self.channels_last or batch.inputs.dim() != 4:
            return batch
        return replace(batch, inputs=batch.inputs.contiguous(memory_format=torch.channels_last))

    def warm_up(self) -> None:
        """Take one step and undo it, so that lazy imports, library set-up and first kernel launches are off the clock.

        On a CPU, the imports of torch's first optimizer step alone take seconds.
        """
        before = copy.deepcopy(self.state())
        self.network.train()
        self.rule.train()
        try:
            self._step(next(self.batches()))
        finally:
            self.optimizer.zero_grad(set_to_none=True)
            self.load_state(before)

    def begin(self) -> None:
        """Call the rule's ``before_training``, before the first batch of a run."""
        self.network.train()
        self.rule.train()
        self.rule.before_training()

    def _averaged(self, batch: Batch) -> AbstractContextManager[None]:
        """Return the block in which gradients of this rank's part of a batch are averaged over all ranks."""
        assert batch.shard is not None  # noqa: S101 - asked of batches that ranks share
        if self._average is None:
            self._average = GradientAverage(self._learning)
        return self._average.over(len(batch.targets) / batch.shard.batch_size)

    def _step(self, batch: Batch) -> StepResult:
        is_full = len(batch.targets) == self.protocol.batch_size
        step = self.compiled if self.compiled is not None and is_full else training_step
        return step(
            self.network,
            self.rule,
            self.optimizer,
            batch,
            orthogonality=self.protocol.orthogonality,
            averaging=None if batch.shard is None else self._averaged,
        )

    def take_step(self, batch: Batch) -> None:
        """Take one training step and add its loss and its wrong predictions to the epoch's sums."""
        targets = batch.targets.clone()  # a rule may write into its batch; errors are counted with the labels
        result = self._step(batch)
        self.sums.add(result.loss, self.class_scores(result.logits), targets)

    def _steps(self) -> Iterator[int]:
        """Take the steps of one epoch, and yield the number of this rank's examples after each."""
        self.sums.reset()
        if self.recorded is not None:
            yield from self.recorded.steps(*self._draw_epoch())
            return
        for batch in self.batches():
            self.take_step(batch)
            yield len(batch.targets)

    def _forget_recording(self) -> None:
        """Have the step recorded anew before its next use: tensors that it refers to have been replaced."""
        if self.recorded is not None:
            self.recorded.is_stale = True

    def endless_steps(self) -> Iterator[None]:
        """Take one training step per item, epoch after epoch and without evaluation, to measure their time."""
        self.network.train()
        self.rule.train()
        while True:
            set_learning_rate(self.optimizer, self.learning_rate)
            for _ in self._steps():
                yield

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
        examples = 0
        for step, taken in enumerate(self._steps()):
            examples += taken
            if self.on_step is not None:
                self.on_step(step + 1)
            if deadline is not None and self._is_late(deadline, step):
                # If the rule cannot go on, its error is a better reason than the time budget.
                self.rule.after_epoch()
                raise TimeBudgetSpentError
            if self.between_steps is not None and step + 1 < self.steps_per_epoch:
                began = time.perf_counter()
                self.between_steps(step + 1)
                deadline = None if deadline is None else deadline + time.perf_counter() - began
        self.optimizer.zero_grad(set_to_none=True)
        self._finish_epochs(self.epoch + 1)
        loss, errors, whole = self.totals(self.sums.loss, self.sums.wrong, examples)
        # Batch norms' running averages differ between ranks, because each sees its own examples; so does rounding in
        # what a rule computes. From here all ranks continue with rank 0's tensors, which are evaluated and saved.
        self.ranks.broadcast_from_rank0(self._tensors())
        return EpochSums(loss / whole, errors / whole, int(whole))

    def _finish_epochs(self, count: int) -> None:
        """Note that ``count`` epochs are done, and enter the next one's stage with a new optimizer if it is another."""
        self.epoch = count
        if self._stages.enter(count):
            self.optimizer = make_optimizer(self._stages.optimizer, self.network, self.rule)
            self._average = None  # of the weights that learned so far
            self._forget_recording()

    def _is_late(self, deadline: float, step: int) -> bool:
        """Return True if the deadline has passed; several ranks ask rank 0's clock, every few steps."""
        if self.ranks.world_size == 1:
            return time.perf_counter() > deadline
        return step % CLOCK_EVERY_STEPS == 0 and self.ranks.broadcast_object(time.perf_counter() > deadline)

    def totals(self, *sums: Tensor | int) -> list[float]:
        """Return sums over all ranks, read from the device in one transfer."""
        wide = widest_float(self.data.device)
        values = torch.stack([torch.as_tensor(value, dtype=wide, device=self.data.device) for value in sums])
        totals: list[float] = self.ranks.all_reduce_sum(values).tolist()
        return totals

    def _tensors(self) -> Iterator[Tensor]:
        """Yield all tensors of network and rule; a tensor that both have is yielded twice."""
        for module in (self.network, self.rule):
            yield from (value for value in module.state_dict().values() if isinstance(value, Tensor))

    def evaluate(self, part: str) -> SetMetrics | None:
        """Evaluate on the 'train', 'test' or 'validation' set, in evaluation mode; None if the loss is not finite."""
        return evaluate(self, part)

    def class_scores(self, logits: Tensor) -> Tensor:
        """Return the numbers of which the largest is the predicted class, shape (batch, classes)."""
        return self.criterion.class_scores(logits, self.data.classes)

    def state(self) -> dict[str, Any]:
        """Return everything that later training depends on, for a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "rule": self.rule.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "order": self.order.get_state(),
            "augmentation": self.augmentation.get_state(),
            "dropout": self.ranks.all_gather(self.dropout.get_state()),
            "global_streams": {name: self.ranks.all_gather(state) for name, state in global_streams().items()},
            "epoch": self.epoch,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Load a state that ``state`` returned, in a trainer built from the same spec."""
        self._finish_epochs(int(state["epoch"]))
        self.network.load_state_dict(state["network"])
        self.rule.load_state_dict(state["rule"])
        load_optimizer_state(self.optimizer, state["optimizer"])
        self.order.set_state(state["order"])
        self.augmentation.set_state(state["augmentation"])
        self.dropout.set_state(state["dropout"][self.ranks.rank])
        if "global_streams" in state:  # since a later version of the same layout
            set_global_streams({name: ranks[self.ranks.rank] for name, ranks in state["global_streams"].items()})
        self._forget_recording()
