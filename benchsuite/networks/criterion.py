"""Losses at the network's output, each with a closed form of its gradient with respect to the logits.

Rules of the second mechanism need only that gradient, so the closed form saves them an autograd graph. A test
compares it with autograd's gradient.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from benchsuite.specs.models.protocol import BinaryCodeSpec, LossSpec


class Criterion(ABC):
    """A loss, averaged over the batch."""

    @abstractmethod
    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss, differentiable in the logits; logits (batch, classes), targets (batch,) of int64."""

    @abstractmethod
    def loss_and_error(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and the output error dL/dlogits, already divided by the batch size; builds no graph."""

    @abstractmethod
    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss summed over the batch, for evaluation over many batches."""

    @abstractmethod
    def per_example(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss per example, shape (batch,); their mean is the loss."""

    def class_scores(self, logits: Tensor, classes: int) -> Tensor:
        """Return the numbers of which the largest is the predicted class, shape (batch, classes)."""
        return logits


class CrossEntropy(Criterion):
    """Softmax cross-entropy: the error is (softmax(logits) - onehot) / batch."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean cross-entropy."""
        return F.cross_entropy(logits, targets)

    def loss_and_error(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean cross-entropy and its gradient with respect to the logits."""
        with torch.no_grad():
            log_probability = logits.log_softmax(1)  # (batch, classes)
            loss = F.nll_loss(log_probability, targets)
            error = log_probability.exp_()
            error.scatter_add_(1, targets.unsqueeze(1), error.new_full((len(targets), 1), -1.0))
            return loss, error.div_(len(targets))

    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the summed cross-entropy."""
        return F.cross_entropy(logits, targets, reduction="sum")

    def per_example(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy per example."""
        return F.cross_entropy(logits, targets, reduction="none")


class SquaredError(Criterion):
    """Half the squared distance to the one-hot target, summed over classes: the error is (logits - onehot) / batch."""

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the batch."""
        return self.summed(logits, targets) / len(targets)

    def loss_and_error(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and its gradient with respect to the logits."""
        with torch.no_grad():
            difference = logits - F.one_hot(targets, logits.shape[1]).to(logits.dtype)  # (batch, classes)
            return 0.5 * difference.square().sum() / len(targets), difference.div_(len(targets))

    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss summed over the batch."""
        return self.per_example(logits, targets).sum()

    def per_example(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss per example."""
        return 0.5 * (logits - F.one_hot(targets, logits.shape[1]).to(logits.dtype)).square().sum(1)


class BinaryCrossEntropy(Criterion):
    """Independent yes or no per class: ``Σ_i softplus(x_i) - x_c``; the error is (sigmoid(logits) - onehot) / batch.

    Source: the authors' code of Akrout et al. 2019, whose network ends in sigmoids; here they are part of the loss.
    """

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the batch of the sum over classes."""
        return self.summed(logits, targets) / len(targets)

    def loss_and_error(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and its gradient with respect to the logits."""
        with torch.no_grad():
            error = logits.sigmoid()  # (batch, classes)
            error.scatter_add_(1, targets.unsqueeze(1), error.new_full((len(targets), 1), -1.0))
            return self.summed(logits, targets) / len(targets), error.div_(len(targets))

    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss summed over the batch."""
        onehot = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, onehot, reduction="sum")

    def per_example(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss per example."""
        onehot = F.one_hot(targets, logits.shape[1]).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, onehot, reduction="none").sum(1)


class OneVersusAllHinge(Criterion):
    """Hinge loss ``max(1 - x_c, 0) + mu Σ_{i≠c} max(1 + x_i, 0)``: a margin of one per class on its side of zero.

    A logit beyond its margin, or exactly on it, has zero error.

    Attributes:
        mu: weight of each of the other classes; 1/(classes - 1) if None.

    Source: Amit 2019 (URFB), eqs 4 to 6; mu as in the authors' code for CIFAR10.
    """

    def __init__(self, mu: float | None = None) -> None:
        self.mu = mu

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the batch."""
        return self.summed(logits, targets) / len(targets)

    def loss_and_error(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and its gradient with respect to the logits."""
        with torch.no_grad():
            side, weight = self._sides(logits, targets)
            margins = (1 + side * logits).clamp_min_(0)  # (batch, classes)
            error = weight * side * (margins > 0)  # (batch, classes)
            return (weight * margins).sum() / len(targets), error.div_(len(targets))

    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss summed over the batch."""
        return self.per_example(logits, targets).sum()

    def per_example(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss per example."""
        side, weight = self._sides(logits, targets)
        return (weight * torch.relu(1 + side * logits)).sum(1)

    def _sides(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return -1 for the correct class and 1 for the others, and 1 for the correct class and mu for the others."""
        mu = 1 / max(logits.shape[1] - 1, 1) if self.mu is None else self.mu
        correct = targets.unsqueeze(1)
        side = torch.ones_like(logits, requires_grad=False).scatter_(1, correct, -1.0)
        return side, torch.full_like(side, mu).scatter_(1, correct, 1.0)


class BinaryCode(Criterion):
    """Binary cross-entropy per bit, summed: the error is (sigmoid(logits) - bits) / batch.

    Source: the idea in section 7 of Clark et al. 2021 (GEVB), whose vectorized networks have a forward pass per output;
    loss and decoding are our choice.
    """

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over the batch of the sum over bits."""
        return self.summed(logits, targets) / len(targets)

    def loss_and_error(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and its gradient with respect to the logits."""
        with torch.no_grad():
            error = logits.sigmoid() - code_of(targets, logits.shape[1])  # (batch, bits)
            return self.summed(logits, targets) / len(targets), error.div_(len(targets))

    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss summed over the batch."""
        return self.per_example(logits, targets).sum()

    def per_example(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss per example."""
        bits = code_of(targets, logits.shape[1]).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(1)

    def class_scores(self, logits: Tensor, classes: int) -> Tensor:
        """Return each class's log likelihood, up to a number that all share; a code of no class is never chosen."""
        codes = code_of(torch.arange(classes, device=logits.device), logits.shape[1])  # (classes, bits)
        return logits @ codes.to(logits.dtype).t()  # (batch, classes)


def code_of(targets: Tensor, bits: int) -> Tensor:
    """Return the bits of class indices, the lowest first, as 0 and 1; shape (*targets.shape, bits)."""
    return targets.unsqueeze(-1) >> torch.arange(bits, device=targets.device) & 1


CRITERIA: dict[str, Criterion] = {
    "cross_entropy": CrossEntropy(),
    "squared_error": SquaredError(),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "one_versus_all_hinge": OneVersusAllHinge(),
}
"""Criteria by the name that protocols use."""


def criterion_of(loss: LossSpec) -> Criterion:
    """Return the criterion that a protocol names or gives with its parameters."""
    if isinstance(loss, str):
        return CRITERIA[loss]
    if isinstance(loss, BinaryCodeSpec):
        return BinaryCode()
    return OneVersusAllHinge(loss.mu)
