"""Data-parallel runs: several processes started by ``torchrun``, one device each.

Every rank has the whole network and its part of each batch. The gradients that a rule left in ``.grad`` are averaged
over all ranks before the optimizer step, however they were made, so rules need no code for it. Only rank 0 reads and
writes checkpoints and records, and sends events to plugins.
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

from benchsuite.credit.batch import BatchShard
from benchsuite.errors import HardwareError, ProcessLostError
from benchsuite.specs.models.track import RunSpec

Value = TypeVar("Value")

# The other ranks wait while rank 0 evaluates, writes and loads. torchrun notices a lost process at once.
PROCESS_GROUP_TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True)
class Ranks:
    """Place of this process among the processes that share the runs.

    Attributes:
        rank: index of this process over all machines, from 0.
        world_size: number of processes over all machines.
        local_rank: index of this process on its machine; it uses the CUDA device of that number.

    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0

    @property
    def is_rank0(self) -> bool:
        """True if this process is rank 0, the only one that writes."""
        return self.rank == 0

    # --- examples ---

    def local_slice(self, examples: int) -> slice:
        """Return the slice of a batch that this rank gets; if the batch does not divide, the first ranks get one more.

        Args:
            examples: number in the whole batch, at least ``world_size``.
        """
        each, left = divmod(examples, self.world_size)
        first = self.rank * each + min(self.rank, left)
        return slice(first, first + each + (self.rank < left))

    def shard(self, examples: int) -> BatchShard | None:
        """Return this rank's place in a batch of so many examples, for the rule; None for a single process."""
        if self.world_size == 1:
            return None
        return BatchShard(
            start=self.local_slice(examples).start, batch_size=examples, all_reduce_sum=self.all_reduce_sum
        )

    # --- numbers ---

    def all_reduce_sum(self, values: Tensor) -> Tensor:
        """Return the sum over all ranks; the argument is unchanged."""
        if self.world_size == 1:
            return values
        summed = values.detach().clone()
        dist.all_reduce(summed)
        return summed

    def broadcast_from_rank0(self, tensors: Iterable[Tensor]) -> None:
        """Broadcast rank 0's tensors so that every rank continues from what is evaluated and saved."""
        if self.world_size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    # --- decisions ---

    def broadcast_object(self, value: Value) -> Value:
        """Return rank 0's value (plain data or CPU tensors) on every rank."""
        if self.world_size == 1:
            return value
        values = [value]
        with self._in_contact():
            dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def all_gather(self, value: Tensor) -> list[Tensor]:
        """Return the tensors of all ranks, by rank; for small tensors on the CPU."""
        if self.world_size == 1:
            return [value]
        values: list[Tensor] = [value] * self.world_size
        with self._in_contact():
            dist.all_gather_object(values, value)
        return values

    @contextmanager
    def _in_contact(self) -> Iterator[None]:
        """Convert torch's error for a connection that another rank has closed."""
        try:
            yield
        except RuntimeError as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ProcessLostError(self.rank, f"another process was lost ({reason})") from error

    def abort(self) -> None:
        """Leave the block of ``process_group`` at once; other ranks that wait for this one notice it."""
        if self.world_size > 1:
            raise _Left

    @contextmanager
    def rank0_first(self) -> Iterator[None]:
        """Run the block on rank 0 first, then on the others, so that they find what rank 0 downloaded."""
        if self.world_size > 1 and not self.is_rank0:
            dist.barrier()
        yield
        if self.world_size > 1 and self.is_rank0:
            dist.barrier()


class _Left(Exception):  # noqa: N818 - not an error
    """Raised by a rank that leaves without waiting for the others."""


SINGLE_PROCESS = Ranks()
"""Ranks of a process that runs alone."""


def launched_world_size() -> int:
    """Return the world size that ``torchrun`` started; 1 without torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1")) if dist.is_torchelastic_launched() else 1


def local_world_size() -> int:
    """Return the number of processes that ``torchrun`` started on this machine; 1 without torchrun."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if dist.is_torchelastic_launched() else 1


@contextmanager
def process_group() -> Iterator[Ranks]:
    """Join the process group of the processes that ``torchrun`` started, for the length of the block."""
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
        # No rank leaves while another still communicates with it: gloo's threads killed a process that did.
        dist.barrier()
    except BaseException as error:
        # Destroying an NCCL group waits for the other ranks. They may wait for this one, and torchrun for its end.
        if backend == "gloo":
            dist.destroy_process_group()
        if isinstance(error, _Left):
            return
        raise
    dist.destroy_process_group()


def require_world_size(spec: RunSpec, ranks: Ranks, examples: int) -> None:
    """Refuse a run that these ranks cannot share.

    Args:
        spec: the run.
        ranks: the processes of this session.
        examples: number of training examples.

    Raises:
        HardwareError: if the world size is not that of the run's hardware spec, or a batch has fewer examples than
            there are ranks.

    """
    wanted, protocol = spec.hardware.world_size, spec.protocol
    if wanted != ranks.world_size:
        raise HardwareError(
            f"hardware '{spec.hardware.name}' asks for {wanted} processes, but {ranks.world_size} started; "
            f"start them with `torchrun --nproc-per-node {wanted} -m benchsuite run …`"
        )
    batch = min(protocol.batch_size, examples)
    rest = examples % batch if protocol.last_batch == "keep" else 0
    small = [size for size in (batch, rest) if 0 < size < wanted]
    if small:
        raise HardwareError(
            f"a batch of {small[0]} cannot be split over {wanted} processes; start fewer, or set another "
            "protocol.batch_size, or protocol.last_batch=drop"
        )
