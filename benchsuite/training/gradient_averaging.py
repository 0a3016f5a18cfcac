"""Average gradients over ranks in buckets, overlapping communication with the backward pass.

Half of the rules fill ``.grad`` themselves, or change it after backward. So nothing is written into a gradient before
the rule is done: during backward a copy is sent, and if the rule changes a gradient afterwards, it is sent again.
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

# As in torch's DistributedDataParallel: one bucket is sent while the next is computed, and copies stay small.
BUCKET_BYTES = 25 * 2**20


class _Bucket:
    """Weights whose gradients are sent in one message.

    Attributes:
        weights: all of one dtype and on one device.
        is_late: True if a gradient was changed after autograd had accumulated it, in this step or an earlier one. The
            bucket is then sent only when the rule is done. Equal on all ranks, because all do the same.
    """

    def __init__(self, weights: list[Tensor]) -> None:
        self.weights = weights
        self.is_late = False
        self.arrived: dict[int, tuple[Tensor, int]] = {}
        self.sent: tuple[Tensor, dist.Work] | None = None

    def note(self, weight: Tensor) -> None:
        """Note that autograd has accumulated a weight's gradient; a second call means that the first was too early."""
        self.is_late |= id(weight) in self.arrived
        if weight.grad is not None:
            # torch counts in-place changes of a tensor in `_version`; a different count shows a change.
            self.arrived[id(weight)] = weight.grad, weight.grad._version

    @property
    def is_complete(self) -> bool:
        """True if autograd has accumulated the gradient of every weight."""
        return len(self.arrived) == len(self.weights)

    @property
    def gradients(self) -> list[Tensor]:
        """Gradients as autograd left them, in the order of the weights."""
        return [self.arrived[id(weight)][0] for weight in self.weights]

    @property
    def is_as_sent(self) -> bool:
        """True if every gradient is still the tensor that was sent, and has not been changed since."""
        versions = [self.arrived[id(weight)][1] for weight in self.weights]
        return not self.is_late and all(
            weight.grad is gradient and gradient._version == version
            for weight, gradient, version in zip(self.weights, self.gradients, versions, strict=True)
        )


class GradientAverage:
    """Average of the gradients that the ranks left in ``.grad``, each for its part of a batch.

    A hook tells when autograd has accumulated a weight's gradient. Once a bucket has all its gradients, a copy of them
    is sent. All ranks send buckets in the same order, the last weights' first, as backward reaches them. Gradients that
    autograd had no part in are sent when the rule is done.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        """Register hooks on all weights that the optimizer updates, given in the same order on every rank."""
        self._weights = list(weights)
        leaves = [weight for weight in reversed(self._weights) if weight.requires_grad]
        self._buckets = [_Bucket(alike) for alike in _pieces(leaves)]
        self._bucket_of = {id(weight): bucket for bucket in self._buckets for weight in bucket.weights}
        self._next = 0
        self._fraction: float | None = None
        # A weak reference, so that the weights' hooks do not keep this object alive.
        on_gradient = partial(_on_gradient, weakref.ref(self))
        for weight in leaves:
            weight.register_post_accumulate_grad_hook(on_gradient)  # type: ignore[no-untyped-call]

    @contextmanager
    def over(self, fraction: float) -> Iterator[None]:
        """Replace the gradients that the block leaves by those of the whole batch, in place, when the block ends.

        Weights that share one gradient tensor still share it afterwards; weights without a gradient are skipped.

        Args:
            fraction: this rank's share of the batch's examples, because gradients are of means over examples.

        """
        self._fraction = fraction
        try:
            yield
            self._finish(fraction)
        finally:
            self._next, self._fraction = 0, None
            for bucket in self._buckets:
                # Frees the copies of all gradients, which are not needed any more.
                bucket.arrived, bucket.sent = {}, None

    def arrive(self, weight: Tensor) -> None:
        """Note that autograd has accumulated a weight's gradient, and send the buckets that are complete."""
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
        """Receive what was sent during backward, and average all other gradients."""
        averaged = self._receive()
        gradients = {id(weight.grad): weight.grad for weight in self._weights if weight.grad is not None}
        rest = [gradient for key, gradient in gradients.items() if key not in averaged]
        sent = [(piece, *_send(piece, fraction)) for piece in _pieces(rest)]
        for piece, flat, work in sent:
            work.wait()
            _put_back(flat, piece)

    def _receive(self) -> set[int]:
        """Receive what was sent during backward; return the ids of gradients that are now those of the whole batch."""
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


def _on_gradient(average: weakref.ref[GradientAverage], weight: Tensor) -> None:
    there = average()
    if there is not None:
        there.arrive(weight)


def _send(gradients: Sequence[Tensor], fraction: float) -> tuple[Tensor, dist.Work]:
    """Start an all-reduce of a flat copy of gradients; return that copy and the handle to wait on."""
    with torch.no_grad():
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients]).mul_(fraction)  # (total elements,)
    return flat, dist.all_reduce(flat, async_op=True)


def _put_back(flat: Tensor, gradients: Sequence[Tensor]) -> None:
    pieces = torch.split(flat, [gradient.numel() for gradient in gradients])
    torch._foreach_copy_(list(gradients), [p.view_as(g) for p, g in zip(pieces, gradients, strict=True)])


def _pieces(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Group tensors of one dtype and device into pieces of about ``BUCKET_BYTES``, in order."""
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
