"""A deep linear network that learns one matrix, trained by the suite's own rules.

With the unit vectors as inputs and half the squared error as loss, plain gradient descent is Euler's method for the
flow

    dW_l/dt = (R_{l+1} … R_k E) (W_{l-1} … W_1)^T,    dR_l/dt = ε (dW_l/dt)^T,    E = T - W_k … W_1,

so the simulation runs the training step of the rule itself, not a separate formula.

Source: Amit 2019 (URFB), eq. 9 and section 5.1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from benchsuite.credit import ReplacedFeedbackRule
from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import Criterion
from benchsuite.networks.network import Network
from benchsuite.specs.models.architecture import (
    ChainArchitecture,
    DenseLayer,
    Initialization,
    ReadoutSpec,
    SegmentDefaults,
)
from benchsuite.specs.models.protocol import Sgd
from benchsuite.training.optimization import make_optimizer
from benchsuite.training.step import training_step


class SquaredErrorToTable(Criterion):
    """Half the squared distance to a row of a table, summed over outputs: regression with class indices as rows.

    Attributes:
        table: target outputs, shape (rows, outputs).

    """

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over the batch."""
        return self.summed(logits, targets) / len(targets)

    def loss_and_error(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss and its gradient with respect to the logits."""
        with torch.no_grad():
            difference = logits - self.table[targets]  # (batch, outputs)
            return 0.5 * difference.square().sum() / len(targets), difference.div_(len(targets))

    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss summed over the batch."""
        return self.per_example(logits, targets).sum()

    def per_example(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return each example's loss."""
        return 0.5 * (logits - self.table[targets]).square().sum(1)  # (batch,)


def linear_network(dimensions: Sequence[int], standard_deviation: float | None, generator: Generator) -> Network:
    """Build a chain of linear maps without biases, in float64.

    Args:
        dimensions: units of the input, of each hidden layer and of the output.
        standard_deviation: of the normally distributed weights; None for zero weights.
        generator: random stream of the initial weights.

    """
    drawn = [_initialization(standard_deviation, fan_in) for fan_in in dimensions[:-1]]
    layers = [
        DenseLayer(kind="dense", units=units, initialization=how)
        for units, how in zip(dimensions[1:-1], drawn, strict=False)
    ]
    architecture = ChainArchitecture(
        kind="chain",
        name="linear",
        defaults=SegmentDefaults(activation="identity", bias=False),
        layers=tuple(layers),
        readout=ReadoutSpec(bias=False, initialization=drawn[-1]),
    )
    return build(shapes_of(architecture, (dimensions[0],), dimensions[-1]), generator).double()


def _initialization(standard_deviation: float | None, fan_in: int) -> Initialization:
    if standard_deviation is None:
        return Initialization(scheme="zeros")
    # The scheme draws N(0, gain² / fan_in).
    return Initialization(scheme="lecun_normal", gain=standard_deviation * math.sqrt(fan_in))


class LinearDynamics:
    """A linear network while it learns one matrix.

    ``first_feedback`` stands for R_1. There is no segment below it to pass credit to, so the rule does not have it; it
    is computed as R_1(0) + ε (W_1 - W_1(0))^T.

    Args:
        network: from ``linear_network``, with ``rule`` attached.
        rule: with its feedback weights as they are at the start.
        target: T^T, shape (inputs, outputs), float64.
        step_size: Δt.
        first_feedback: R_1(0)^T, in the shape of the first weight; None to leave out correlations.
        feedback_rate: ε of R_1.

    """

    def __init__(
        self,
        network: Network,
        rule: ReplacedFeedbackRule,
        target: Tensor,
        step_size: float,
        first_feedback: Tensor | None = None,
        feedback_rate: float = 0.0,
    ) -> None:
        self.network = network
        self.rule = rule
        inputs = torch.eye(len(target), dtype=target.dtype)
        self.batch = Batch(inputs, torch.arange(len(target)), SquaredErrorToTable(target))
        # The criterion is a mean over the batch, the flow's error a sum: the rate is multiplied by the batch size.
        self.optimizer = make_optimizer(Sgd(kind="sgd", learning_rate=step_size * len(target)), network, rule)
        self._first_feedback = first_feedback
        self._feedback_rate = feedback_rate
        self._first_start = self.weights[0].clone()

    @property
    def weights(self) -> list[Tensor]:
        """Return the present W_1 to W_k."""
        return [linear_map.weight.detach() for linear_map in self.network.maps.values()]

    def step(self) -> None:
        """Move by Δt, with the same training step as a run."""
        training_step(self.network, self.rule, self.optimizer, self.batch)

    def squared_error(self) -> float:
        """Return ‖E‖², the sum over all entries; not finite once the flow has diverged."""
        with torch.no_grad():
            return 2 * float(self.batch.criterion.summed(self.network(self.batch.inputs), self.batch.targets))

    def correlations(self) -> tuple[float | None, ...]:
        """Return the Pearson correlation of W_l with R_l^T for each l from 1; empty without ``first_feedback``."""
        if self._first_feedback is None:
            return ()
        first = self._first_feedback + self._feedback_rate * (self.weights[0] - self._first_start)
        followed = [first, *self.rule.feedback.by_segment.values()]
        return tuple(correlation(w, r) for w, r in zip(self.weights, followed, strict=True))


def correlation(first: Tensor, second: Tensor) -> float | None:
    """Return the Pearson correlation of two matrices' entries; None if one of them is constant or not finite."""
    centered = [t.flatten() - t.mean() for t in (first, second)]
    sizes = [float(t.abs().max()) for t in centered]
    if not all(0 < size < math.inf for size in sizes):
        return None
    # Divided by the largest entry first: squares of tiny entries underflow, squares of huge ones overflow.
    a, b = (t / size for t, size in zip(centered, sizes, strict=True))
    return max(-1.0, min(1.0, float(a @ b / (a.norm() * b.norm()))))
