"""Forward gradient: the exact derivative of the loss along a random direction, times the direction."""

from __future__ import annotations

import warnings
from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor, nn
from torch.autograd import forward_ad

from benchsuite.plugin import (
    Batch,
    CreditWork,
    Network,
    NetworkShapes,
    RandomStream,
    Rule,
    RuleConfig,
    RuleTraits,
    Segment,
    StepResult,
    Tape,
    hookimpl,
    normal_noise,
)

BENCHSUITE_CONTRACT = 2


class ForwardGradientConfig(RuleConfig):
    """Choice of what the direction is in, and number of directions per step."""

    perturb: Literal["activities", "weights"] = "activities"
    """``activities``: a direction in the pre-activations of each example (Ren et al.). The readout then gets the output
    error. ``weights``: one direction in all trained parameters for the whole batch (Baydin et al.)."""
    samples: int = Field(default=1, gt=0)
    """Number of directions averaged per step, each with its own forward pass; divides the variance."""


class ForwardGradient(Rule[ForwardGradientConfig]):
    """Estimate the gradient from one forward pass that carries a derivative along.

    For a standard normal direction v the product (∇L·v) v has the gradient as its mean, and ∇L·v takes no backward
    pass: forward-mode derivatives give it exactly, with no step size. Its variance grows with the number of perturbed
    values. Perturbing activities therefore perturbs fewer, and each example has a derivative of its own loss.

    In evaluation mode the direction is that of the next training step, and the stream stays where it is. Norms are left
    out: a batch norm makes an example's loss depend on the others' directions.

    Difference from Ren et al.: the loss is that of the whole network; their local losses and networks are not here.
    """

    name = "forward_gradient"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Baydin, Pearlmutter, Syme, Wood & Torr 2022, arXiv:2202.08587 (weights); Ren, Kornblith, Liao & Hinton "
        "2023, arXiv:2210.03310 (activities)",
        topologies=frozenset({"chain", "residual"}),
        norms=False,
        unit_specific_feedback=False,
    )

    @classmethod
    def credit_work(cls, config: ForwardGradientConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of carrying derivatives, and of the passes beyond the first.

        A direction in weights takes the products with inputs that weight gradients take otherwise, and torch carries
        the change of the network's input too, which is zero.
        """
        in_weights = config.perturb == "weights"
        forward = sum(segment.macs for segment in shapes.segments)
        carried = sum(segment.macs for segment in shapes.segments if in_weights or shapes.upstream[segment.name])
        again = 2 * forward if in_weights else forward
        weights = sum(segment.parameters for segment in shapes.segments)
        units = sum(segment.units for segment in shapes.segments)
        return CreditWork(
            per_example=config.samples * carried + (config.samples - 1) * again,
            workspace_numel=2 * weights if in_weights else 0,
            workspace_numel_per_example=units if in_weights else 3 * units,
        )

    def attach(self, network: Network, generator: Generator) -> None:
        """Create the noise stream."""
        super().attach(network, generator)
        self.stream = RandomStream(generator)
        # At its first dual tensor, torch compiles what it needs and warns of its own use of a deprecated function.
        with warnings.catch_warnings(), forward_ad.dual_level():
            warnings.simplefilter("ignore", FutureWarning)
            _dual(torch.zeros(1), torch.zeros(1))

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments; without the readout if activities are perturbed."""
        return self.network.hidden if self.config.perturb == "activities" else tuple(self.network.segments)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run forward along a direction, and scale it with the derivative of the loss."""
        device = batch.inputs.device
        generator = self.stream.on(device) if self.training else self.stream.ahead(device)
        with self.network.repeated(), torch.no_grad():
            if self.config.perturb == "weights":
                return self._along_weights(batch, generator)
            return self._along_activities(batch, generator)

    def draw_weights(self, parameter: Tensor, generator: Generator) -> Tensor:
        """Return a direction in one parameter: the same on all ranks, and in float64 the same as in float32."""
        dtype = torch.float32 if parameter.dtype == torch.float64 else parameter.dtype
        drawn = torch.randn(parameter.shape, dtype=dtype, device=parameter.device, generator=generator)
        return drawn.to(parameter.dtype)

    def draw_activities(self, name: str, values: Tensor, generator: Generator, batch: Batch) -> Tensor:
        """Return a direction in one segment's pre-activations, in their shape and the weights' dtype."""
        return normal_noise(values.shape, next(self.network.parameters()), generator, batch)

    def _along_weights(self, batch: Batch, generator: Generator) -> StepResult:
        trained = {name: weight for name, weight in self.network.named_parameters() if weight.requires_grad}
        for sample in range(self.config.samples):
            directions = {name: self.draw_weights(weight, generator) for name, weight in trained.items()}
            with forward_ad.dual_level():
                duals = {name: _dual(weight, directions[name]) for name, weight in trained.items()}
                logits, change = _parts(torch.func.functional_call(self.network, duals, (batch.inputs,)))
            loss, error = batch.criterion.loss_and_error(logits, batch.targets)
            # Without a trained parameter nothing is perturbed.
            slope = error.new_zeros(()) if change is None else (error * change).sum() / self.config.samples
            for name, weight in trained.items():
                direction = directions[name].mul_(slope)
                weight.grad = direction if sample == 0 else weight.grad.add_(direction)  # type: ignore[union-attr]
        return StepResult(loss, logits)

    def _along_activities(self, batch: Batch, generator: Generator) -> StepResult:
        credit: dict[str, Tensor] = {}
        for _ in range(self.config.samples):
            tape, slope, directions = self._perturbed_pass(batch, generator)
            for name, direction in directions.items():
                direction.mul_(slope.view(-1, *[1] * (direction.dim() - 1)).to(direction.dtype))
                credit[name] = credit[name].add_(direction) if name in credit else direction
        tape.assign(credit, at="pre_activation")
        return StepResult(tape.loss, tape.logits)

    def _perturbed_pass(self, batch: Batch, generator: Generator) -> tuple[Tape, Tensor, dict[str, Tensor]]:
        """Return the tape, each example's derivative of its share of the loss, and the direction by segment."""
        inputs: dict[str, Tensor] = {}
        outputs: dict[str, Tensor] = {}
        directions: dict[str, Tensor] = {}

        def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
            if not isinstance(node, Segment):
                between: Tensor = node(*received)
                return between
            inputs[name], change = _parts(received[0])
            values: Tensor = node.map(inputs[name])
            # By hand: torch would also multiply the inputs with the weight's change, which is zero.
            carried = None if change is None else node.map.push_forward(inputs[name], node.map.weight, change)
            if name != self.network.readout:
                directions[name] = self.draw_activities(name, values, generator, batch)
                own = directions[name].to(values.dtype)
                carried = own if carried is None else carried + own
            output = node.respond(values if carried is None else _dual(values, carried))
            outputs[name], _ = _parts(output)
            return output

        with forward_ad.dual_level():
            with self.network.autocast():
                values = self.network.walk(batch.inputs, visit)
            logits, change = _parts(self.network.decode(self.network.widen(values)))
        loss, error = batch.criterion.loss_and_error(logits, batch.targets)
        # Without a hidden segment nothing is perturbed.
        slope = error.new_zeros(len(error)) if change is None else (error * change).sum(1) / self.config.samples
        return Tape(self.network, inputs, outputs, logits, loss, error), slope, directions


def _dual(values: Tensor, change: Tensor) -> Tensor:
    """Return values that carry their change along the direction."""
    return forward_ad.make_dual(values, change)  # type: ignore[no-untyped-call, no-any-return]


def _parts(values: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return a dual tensor's value and its change along the direction; None if nothing before it was perturbed."""
    primal, tangent = forward_ad.unpack_dual(values)  # type: ignore[no-untyped-call]
    return primal, tangent


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [ForwardGradient]
