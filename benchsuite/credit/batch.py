"""Input and result of one training step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from benchsuite.networks.criterion import Criterion


@dataclass(frozen=True, slots=True)
class BatchShard:
    """Place of one rank's examples in the whole batch, if several processes share a run.

    Attributes:
        start: position of this rank's first example in the whole batch.
        batch_size: number of examples in the whole batch.
        all_reduce_sum: sums a tensor over all ranks; all must call it equally often, in the same order.

    """

    start: int
    batch_size: int
    all_reduce_sum: Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Batch:
    """Input of one training step for a rule.

    Attributes:
        inputs: shape (batch, *input_shape), normalised.
        targets: class indices, shape (batch,), int64.
        criterion: the loss at the output.
        shard: place of these examples in the whole batch; None if they are the whole batch. A rule whose gradients are
            means over examples can ignore it. A rule that draws random numbers per example, or needs a quantity of the
            whole batch, must use it.

    """

    inputs: Tensor
    targets: Tensor
    criterion: Criterion
    shard: BatchShard | None = None

    def gathered(self, values: Tensor) -> Tensor:
        """Return values per example, (batch, ...), for the whole batch on every rank; without a gradient.

        For rules that compare examples with each other. All ranks must call it equally often, in the same order.
        """
        if self.shard is None:
            return values
        whole = values.new_zeros((self.shard.batch_size, *values.shape[1:]))
        whole[self.shard.start : self.shard.start + len(values)] = values.detach()
        return self.shard.all_reduce_sum(whole)


@dataclass(frozen=True, slots=True)
class StepResult:
    """Result of one training step; both tensors are detached from the graph.

    Attributes:
        loss: mean over the batch, a scalar tensor on the device. Never read on the host within an epoch.
        logits: shape (batch, classes).

    """

    loss: Tensor
    logits: Tensor
