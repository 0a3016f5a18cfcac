"""Gradients of several processes become those of the whole batch, sent while autograd is still at the others.

Half of the rules fill ``.grad`` themselves, or change it after backward. So nothing is written into a gradient before
the rule is done: what goes on its way during backward is a copy, and what the rule changed afterwards is sent again.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby

import torch
import torch.distributed as dist
from torch import Tensor

# As torch's DistributedDataParallel: one piece is sent while the next is being worked out, and copies stay small.
BUCKET_BYTES = 25 * 2**20


class _Bucket:
    """Weights whose gradients are sent as one piece.

    Attributes:
        weights: of one type, on one device.
        is_late: whether a gradient was changed after autograd had left it, in this step or an earlier one; then the
            bucket waits for the rule's end. The same in all processes, which do the same.
    """

    def __init__(self, weights: list[Tensor]) -> None:
        self.weights = weights
        self.is_late = False
        self.arrived: dict[int, tuple[Tensor, int]] = {}
        self.sent: tuple[Tensor, dist.Work] | None = None

    def note(self, weight: Tensor) -> None:
        """Take note that autograd has left a weight's gradient; a second time means that it had not before."""
        self.is_late |= id(weight) in self.arrived
        if weight.grad is not None:
            # Torch counts what is done to a tensor in place, which is how a change is noticed.
            self.arrived[id(weight)] = weight.grad, weight.grad._version

    @property
    def is_complete(self) -> bool:
        """Whether autograd has left the gradient of every weight."""
        return len(self.arrived) == len(self.weights)

    @property
    def gradients(self) -> list[Tensor]:
        """As autograd left them, in the order of the weights."""
        return [self.arrived[id(weight)][0] for weight in self.weights]

    @property
    def is_as_sent(self) -> bool:
        """Whether every gradient is the tensor that was sent, and nothing was done to it since."""
        versions = [self.arrived[id(weight)][1] for weight in self.weights]
        return not self.is_late and all(
            weight.grad is gradient and gradient._version == version
            for weight, gradient, version in zip(self.weights, self.gradients, versions, strict=True)
        )


class GradientAverage:
    """Averages what each of several processes left in ``.grad`` for its part of a batch.

    Autograd tells when it has left a weight's gradient; once all of a bucket have theirs, a copy goes on its way.
    Buckets go in one order everywhere, the last weights' first, as backward comes to them. What autograd had no part in
    follows when the rule is done.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        """Take hold of all that an optimizer moves, in the same order in every process."""
        self._weights = list(weights)
        leaves = [weight for weight in reversed(self._weights) if weight.requires_grad]
        self._buckets = [_Bucket(alike) for alike in _pieces(leaves)]
        self._bucket_of = {id(weight): bucket for bucket in self._buckets for weight in bucket.weights}
        self._next = 0
        self._fraction: float | None = None
        # Weak, so that weights do not keep alive what holds them.
        tell = partial(_tell, weakref.ref(self))
        for weight in leaves:
            weight.register_post_accumulate_grad_hook(tell)  # type: ignore[no-untyped-call]

    @contextmanager
    def over(self, fraction: float) -> Iterator[None]:
        """Replace the gradients that the block leaves by those of the whole batch, in place, at its end.

        Weights that have one gradient tensor between them keep it so; those without one are passed over.

        Args:
            fraction: this process's share of the batch's examples, since gradients are of means over examples.

        """
        self._fraction = fraction
        try:
            yield
            self._finish(fraction)
        finally:
            self._next, self._fraction = 0, None
            for bucket in self._buckets:
                # Copies of all gradients, which nobody needs any more.
                bucket.arrived, bucket.sent = {}, None

    def arrive(self, weight: Tensor) -> None:
        """Take note that autograd has left a weight's gradient, and send what is complete."""
        if self._fraction is None:
            return
        self._bucket_of[id(weight)].note(weight)
        while self._next < len(self._buckets):
            bucket = self._buckets[self._next]
            if not bucket.is_late:
                if not bucket.is_complete:
                    return
                bucket.sent = _send(bucket.gradients, self._fraction)
            self._next += 1

    def _finish(self, fraction: float) -> None:
        """Take in what is under way, and average the rest."""
        averaged = self._receive()
        gradients = {id(weight.grad): weight.grad for weight in self._weights if weight.grad is not None}
        rest = [gradient for key, gradient in gradients.items() if key not in averaged]
        sent = [(piece, *_send(piece, fraction)) for piece in _pieces(rest)]
        for piece, flat, work in sent:
            work.wait()
            _put_back(flat, piece)

    def _receive(self) -> set[int]:
        """Take in what was sent during backward; return which gradients are those of the whole batch now."""
        averaged: set[int] = set()
        for bucket in self._buckets:
            if bucket.sent is None:
                continue
            flat, work = bucket.sent
            work.wait()
            bucket.is_late = not bucket.is_as_sent
            if not bucket.is_late:
                _put_back(flat, bucket.gradients)
                averaged.update(map(id, bucket.gradients))
        return averaged


def _tell(average: weakref.ref[GradientAverage], weight: Tensor) -> None:
    there = average()
    if there is not None:
        there.arrive(weight)


def _send(gradients: Sequence[Tensor], fraction: float) -> tuple[Tensor, dist.Work]:
    """Set off the sum over all processes of a copy of gradients; return where it arrives, and what to wait for."""
    with torch.no_grad():
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]).mul_(fraction)
    return flat, dist.all_reduce(flat, async_op=True)


def _put_back(flat: Tensor, gradients: Sequence[Tensor]) -> None:
    pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
    torch._foreach_copy_(list(gradients), [p.view_as(g) for p, g in zip(pieces, gradients, strict=True)])


def _pieces(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Group tensors of one kind into pieces of about ``BUCKET_BYTES``, in order."""
    for _, alike in groupby(tensors, key=lambda t: (t.dtype, t.device)):
        piece: list[Tensor] = []
        size = 0
        for tensor in alike:
            piece.append(tensor)
            size += tensor.numel() * tensor.element_size()
            if size >= BUCKET_BYTES:
                yield piece
                piece, size = [], 0
        if piece:
            yield piece
