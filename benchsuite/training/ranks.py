"""Several processes that make one run together, one device each, as ``torchrun`` starts them.

Every process has the whole network and its part of each batch. What a rule left in ``.grad`` is averaged over all of
them before the optimizer sees it, whatever way it got there, so rules know nothing of it. The first process alone reads
and writes checkpoints, records and what plugins are told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from benchsuite.credit.rule import BatchShard
from benchsuite.errors import HardwareError
from benchsuite.specs.models.track import RunSpec

Value = TypeVar("Value")

# The others wait while the first measures, writes and loads; a lost process is noticed by torchrun at once.
PROCESS_GROUP_TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True)
class Ranks:
    """One process among those that make the runs.

    Attributes:
        rank: which one this is, from 0; over all machines.
        size: how many there are.
        local_rank: which one on this machine; it takes the CUDA device of that number.

    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_rank0(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    # --- examples ---

    def local_slice(self, examples: int) -> slice:
        """Return which of a batch's examples are this process's; the first ones have one more where it does not divide.

        Args:
            examples: in the whole batch, at least ``size``.
        """
        each, left = divmod(examples, self.world_size)
        first = self.rank * each + min(self.rank, left)
        return slice(first, first + each + (self.rank < left))

    def shard(self, examples: int) -> BatchShard | None:
        """Return what a rule gets to know of the whole batch that its part is of; None where the part is all."""
        if self.world_size == 1:
            return None
        return BatchShard(
            start=self.local_slice(examples).start, batch_size=examples, all_reduce_sum=self.all_reduce_sum
        )

    # --- numbers ---

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum over all processes; the argument is left as it is."""
        if self.world_size == 1:
            return values
        summed = values.detach().clone()
        dist.all_reduce(summed)
        return summed

    def broadcast_from_rank0(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the first process: what it measures and saves is what all go on with."""
        if self.world_size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    # --- decisions ---

    def broadcast_object(self, value: Value) -> Value:
        """Return the first process's value, plain data or tensors on the CPU, everywhere."""
        if self.world_size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def all_gather(self, value: Tensor) -> list[Tensor]:
        """Return every process's tensor, which is small and on the CPU."""
        if self.world_size == 1:
            return [value]
        values: list[Tensor] = [value] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def abort(self) -> None:
        """Go out of the block of ``process_group`` at once; the others, who may wait for this process, notice it."""
        if self.world_size > 1:
            raise _Left

    @contextmanager
    def rank0_first(self) -> Iterator[None]:
        """Let the first process through the block before the others: what it downloads, they find."""
        if self.world_size > 1 and not self.is_rank0:
            dist.barrier()
        yield
        if self.world_size > 1 and self.is_rank0:
            dist.barrier()


class _Left(Exception):  # noqa: N818 - nothing is wrong
    """Raised by a process that does not wait for the others."""


SINGLE_PROCESS = Ranks()
"""A process that makes its runs by itself."""


def launched_world_size() -> int:
    """Return how many processes ``torchrun`` has started this one among; 1 where it has not."""
    return int(os.environ.get("WORLD_SIZE", "1")) if dist.is_torchelastic_launched() else 1


def local_world_size() -> int:
    """Return how many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if dist.is_torchelastic_launched() else 1


@contextmanager
def process_group() -> Iterator[Ranks]:
    """Meet the other processes that ``torchrun`` started, for the length of the block."""
    if launched_world_size() == 1:
        yield SINGLE_PROCESS
        return
    local_rank = int(os.environ["LOCAL_RANK"])
    backend = "gloo"
    if torch.cuda.is_available() and dist.is_nccl_available() and torch.cuda.device_count() >= local_world_size():
        torch.cuda.set_device(local_rank)
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=PROCESS_GROUP_TIMEOUT)
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), local_rank)
        # None leaves while another still talks to it: gloo's threads ended a process that did.
        dist.barrier()
    except BaseException as error:
        # NCCL's end waits for the others, who may be waiting for this process, and torchrun for it to end.
        if backend == "gloo":
            dist.destroy_process_group()
        if isinstance(error, _Left):
            return
        raise
    dist.destroy_process_group()


def require_world_size(spec: RunSpec, ranks: Ranks, examples: int) -> None:
    """Refuse a run that these processes cannot make together.

    Args:
        spec: the run.
        ranks: the processes that are there.
        examples: of training.

    Raises:
        HardwareError: if they are not as many as the run's hardware spec says, or a batch has fewer examples than there
            are processes.

    """
    wanted, protocol = spec.hardware.world_size, spec.protocol
    if wanted != ranks.world_size:
        raise HardwareError(
            f"hardware '{spec.hardware.name}' says {wanted} processes, here is {ranks.world_size}; start them with "
            f"`torchrun --nproc-per-node {wanted} -m benchsuite run …`"
        )
    batch = min(protocol.batch_size, examples)
    rest = examples % batch if protocol.last_batch == "keep" else 0
    small = [size for size in (batch, rest) if 0 < size < wanted]
    if small:
        raise HardwareError(
            f"a batch of {small[0]} cannot be shared by {wanted} processes; start fewer, or set another "
            "protocol.batch_size, or protocol.last_batch=drop"
        )
