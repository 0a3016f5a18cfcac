"""The whole training step as one function over static buffers: captured in a CUDA graph, or called on other devices.

The function gathers its batch, augments and normalises it, takes the training step and adds to the epoch's sums. An
epoch is one call per full batch; the host gives it an order at the start and reads sums at the end, nothing between.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor
from torch.utils._pytree import tree_map

from benchsuite.credit.batch import Batch
from benchsuite.credit.stream import RandomStream
from benchsuite.data.resident import ResidentData
from benchsuite.errors import NotCapturableError as NotCapturableError
from benchsuite.training.capturability import why_not_capturable
from benchsuite.training.cuda_capture import StepsInFlight, capture, on_side_stream, side_stream
from benchsuite.training.epoch_buffers import EpochBuffers
from benchsuite.training.optimization import fill_missing_state

if TYPE_CHECKING:
    from benchsuite.training.trainer import Trainer

# As in torch.cuda.make_graphed_callables: libraries choose kernels and take workspaces in their first calls.
WARM_UP_STEPS = 3


class RecordedStep:
    """A trainer's step over static buffers, and its epochs.

    Attributes:
        is_stale: True if tensors that the step refers to have been replaced; it is then recorded anew.

    """

    def __init__(self, trainer: Trainer, data: ResidentData) -> None:
        """Make the buffers; ``prepare`` records the step."""
        self._trainer = trainer
        self._data = data
        protocol = trainer.protocol
        self._buffers = EpochBuffers(data, protocol.batch_size)
        self._keeps_rest = protocol.last_batch == "keep"
        self._side = side_stream(data.device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._streams: list[RandomStream] = []
        self.is_stale = True

    def prepare(self) -> None:
        """Check that the step can be captured and, on CUDA, capture it. Training goes on as if nothing had been done.

        Raises:
            NotCapturableError: if it cannot be; the trainer's state is then as before.

        """
        trainer = self._trainer
        self._graph = None  # frees the memory of an earlier one
        # On the host: a second copy of the state on a GPU would be the peak of its memory.
        before = tree_map(_copy_on_host, trainer.state())
        trainer.network.train()
        trainer.rule.train()
        try:
            self._warm_up_and_check()
        finally:
            state = {weight: dict(entries) for weight, entries in trainer.optimizer.state.items()}
            trainer.optimizer.zero_grad(set_to_none=True)
            trainer.load_state(before)
        fill_missing_state(trainer.optimizer, state)
        # Loading a state drops generators; a graph needs them to be there before it is captured.
        for stream in self._streams:
            stream.on(self._data.device)
        if self._side is not None:
            try:
                self._graph = capture(self._act, self._side, self._generators())
            except NotCapturableError:
                trainer.load_state(before)
                raise
            finally:
                trainer.optimizer.zero_grad(set_to_none=True)
        self.is_stale = False

    def steps(self, order: Tensor, draws: Tensor | None) -> Iterator[int]:
        """Take an epoch's steps, and yield the number of examples after each.

        Args:
            order: indices of training examples, (examples,) of int64, on the CPU.
            draws: the augmentation of each, in that order; None without augmentation.

        """
        if self.is_stale:
            self.prepare()
            self._trainer.sums.reset()
        buffers = self._buffers
        buffers.fill(order, draws)
        in_flight = StepsInFlight(self._data.device)
        for _ in range(buffers.steps):
            if self._graph is None:
                self._act()
            else:
                self._graph.replay()
                in_flight.add()
            yield buffers.batch_size
        if self._keeps_rest and buffers.rest:
            self._take(*buffers.last_batch())
            yield buffers.rest

    def _act(self) -> None:
        """Take the step whose number is on the device: what is captured and replayed."""
        self._take(*self._buffers.next_batch())

    def _take(self, inputs: Tensor, targets: Tensor) -> None:
        trainer = self._trainer
        trainer.take_step(trainer.with_memory_format(Batch(inputs, targets, trainer.criterion)))

    def _warm_up_and_check(self) -> None:
        """Take steps, which the caller undoes, and raise NotCapturableError if they cannot be captured."""
        examples = torch.arange(self._data.train_examples)
        uncropped = torch.zeros(len(examples), 3, dtype=torch.int64) if self._data.augmentation else None
        self._buffers.fill(examples, uncropped)
        with on_side_stream(self._side):
            for _ in range(WARM_UP_STEPS if self._side is not None else 1):
                self._buffers.rewind()
                self._act()
        rule = self._trainer.rule
        self._streams = [m for m in rule.modules() if isinstance(m, RandomStream) and m.made is not None]
        self._buffers.rewind()
        reasons = why_not_capturable(rule, self._act, [self._trainer.dropout])
        # Types: "cuda" is the device of a spec, "cuda:0" that of a generator.
        kind = self._data.device.type
        reasons += [f"a random stream is on the {g.device.type}" for g in self._generators() if g.device.type != kind]
        if reasons:
            raise NotCapturableError("; ".join(reasons))

    def _generators(self) -> list[Generator]:
        made = [stream.made for stream in self._streams]
        return [self._trainer.dropout, *(generator for generator in made if generator is not None)]


def _copy_on_host(value: Any) -> Any:
    return value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else copy.deepcopy(value)
