"""Forward gradients of local losses: each group of units has its own derivative along a random direction."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Generator, Tensor, nn

from benchsuite.plugin import (
    Batch,
    CreditWork,
    Network,
    NetworkShapes,
    Nonlinearity,
    ParameterGroup,
    RandomStream,
    Rule,
    RuleConfig,
    RuleTraits,
    StepResult,
    hookimpl,
    normal_noise,
    record_forward,
)

BENCHSUITE_CONTRACT = 2


class LocalForwardGradientConfig(RuleConfig):
    """Number of groups, and of directions per step."""

    groups: int = Field(default=16, gt=0)
    """Groups of neighbouring units in each hidden segment, each perturbed for itself; at most one per unit. The
    estimate's variance grows with the units of a group, so more groups divide it."""
    samples: int = Field(default=1, gt=0)
    """Number of directions averaged per step; divides the variance. No further forward pass is made."""


class LocalForwardGradient(Rule[LocalForwardGradientConfig]):
    """Estimate the gradient of each hidden segment's own loss from random directions, one per group of its units.

    A linear classifier M of the rule's own reads a hidden segment's output h, and the protocol's loss of M h is the
    segment's own. For a standard normal direction v in the pre-activations of one group, the derivative of that loss
    along v, times v, has the gradient as its mean. It is carried forward through the nonlinearity and through M, per
    example and group. M learns from its exact gradient, by the protocol's optimizer; so does the readout.

    With n units per group the estimate's variance is n + 1 times the squared gradient of the group. The
    `forward_gradient` of a whole network has all perturbed units in place of n.

    Where a nonlinearity has no slope the direction is zero: what cannot change a loss gets no noise.

    Differences from the paper: groups are of neighbouring units in the order channel, row, column, where the paper has
    groups of channels in patches of an image; its networks (mixers with layer norm and replicated features) are not
    here. Norms are left out: the derivative of a unit's norm along another group's direction would be lost.
    """

    name = "local_forward_gradient"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Ren, Kornblith, Liao & Hinton 2023, arXiv:2210.03310",
        short_name="local FG",
        topologies=frozenset({"chain", "residual"}),
        min_hidden_segments=1,
        norms=False,
        own_parameters=True,
        has_credit=False,
    )

    @classmethod
    def credit_work(cls, config: LocalForwardGradientConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the classifiers: forward, their gradients, and a derivative per direction."""
        units = sum(segment.units for segment in shapes.segments[:-1])
        return CreditWork(
            per_example=(2 + config.samples) * units * shapes.classes,
            own_parameters=units * shapes.classes,
            workspace_numel=units * shapes.classes,
            workspace_numel_per_example=4 * units,
        )

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw a classifier per hidden segment, shape (classes, units), and create the noise stream."""
        super().attach(network, generator)
        like = next(network.parameters())
        drawn = {
            segment.name: like.new_empty(network.classes, segment.units).uniform_(
                -(segment.units**-0.5), segment.units**-0.5, generator=generator
            )
            for segment in network.shapes.segments[:-1]
        }
        self.classifiers = nn.ParameterDict({name: nn.Parameter(matrix) for name, matrix in drawn.items()})
        self.stream = RandomStream(generator)

    @property
    def trained_parameters(self) -> tuple[ParameterGroup, ...]:
        """All classifiers."""
        return (ParameterGroup("local classifiers", tuple(self.classifiers.values())),)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    @torch.no_grad()
    def assign_credit(self, batch: Batch) -> StepResult:
        """Give each hidden segment the estimate of its own loss's gradient."""
        device = batch.inputs.device
        generator = self.stream.on(device) if self.training else self.stream.ahead(device)
        tape = record_forward(self.network, batch, keep_pre_activations=True)
        credit = {}
        for name, classifier in self.classifiers.items():
            output = self.network.widen(tape.outputs[name]).flatten(1)  # (batch, units)
            _, error = batch.criterion.loss_and_error(output @ classifier.t(), batch.targets)  # (batch, classes)
            classifier.grad = error.t() @ output
            values = self.network.widen(tape.pre_activations[name])
            slope = _slope(self.network.segments[name].nonlinearity, values).flatten(1)  # (batch, units)
            estimate = torch.zeros_like(slope)
            for _ in range(self.config.samples):
                direction = self.draw(name, values, generator, batch).flatten(1) * (slope != 0)
                estimate += self._derivative(direction * slope, classifier, error) * direction
            credit[name] = estimate / self.config.samples
        tape.assign(credit, at="pre_activation")
        return StepResult(tape.loss, tape.logits)

    def draw(self, name: str, values: Tensor, generator: Generator, batch: Batch) -> Tensor:
        """Return a direction in one segment's pre-activations, in their shape and the weights' dtype."""
        return normal_noise(values.shape, next(self.network.parameters()), generator, batch)

    def _derivative(self, change: Tensor, classifier: Tensor, error: Tensor) -> Tensor:
        """Return the derivative of each unit's group along a change of the outputs, shape (batch, units)."""
        units = change.shape[1]
        size = math.ceil(units / self.config.groups)
        padding = (0, -units % size)  # zeros, so that all groups are of one size
        of_groups = F.pad(change, padding).reshape(len(change), -1, size)  # (batch, groups, units of a group)
        weights = F.pad(classifier, padding).reshape(len(classifier), -1, size)  # (classes, groups, units of a group)
        carried = torch.einsum("bgu,cgu->bgc", of_groups, weights)  # the logits' change by each group alone
        derivative = (carried * error.unsqueeze(1)).sum(2)  # (batch, groups)
        return derivative.repeat_interleave(size, dim=1)[:, :units]


def _slope(nonlinearity: Nonlinearity, values: Tensor) -> Tensor:
    """Return the nonlinearity's derivative at each value; it is elementwise."""
    with torch.enable_grad():
        leaf = values.detach().requires_grad_()
        output = nonlinearity.apply(leaf)
    return torch.autograd.grad(output, leaf, torch.ones_like(output))[0]


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [LocalForwardGradient]
