"""Target rules: what a layer should have done, worked out by inverting the layers above; credit is the difference.

Everything between an output and the targets for it is here; the rules differ in how far they let a target go
(``TargetRule.aim``).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor, nn
from typing_extensions import TypeVar

from benchsuite.credit.recording import record_forward
from benchsuite.credit.rule import Batch, CreditWork, Rule, RuleConfig, StepResult
from benchsuite.credit.tape import Tape
from benchsuite.errors import SingularMapError
from benchsuite.networks.maps import Factorization
from benchsuite.networks.network import Network
from benchsuite.networks.products import shortens_products, whole_products
from benchsuite.networks.segments import Segment
from benchsuite.networks.shapes.outline import ArchitectureOutline

Precision = Literal["float32", "float64"]


class TargetConfig(RuleConfig):
    """How precisely targets are worked out."""

    precision: Precision | None = None
    """Type of the numbers in the target pass; the weights' own if not given. In another type than the activations'
    the forward pass is repeated in it: a target differs from an activation by less than float32 may tell apart."""


TargetConfigT = TypeVar("TargetConfigT", bound=TargetConfig, default=TargetConfig, covariant=True)
"""The hyperparameters of a target rule."""


@dataclass(frozen=True)
class Activity:
    """What segments received and gave in one forward pass, by name, in the type of the target pass."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


class TargetRule(Rule[TargetConfigT]):
    """Hands each hidden segment the difference between its output and the target that the segments above give it.

    The readout's target is what its error points at: activation less batch size times error, which under the squared
    error is the one-hot target. Auxiliary units have their own activity for target, so no error. Derivatives are the
    tape's. The readout itself gets the output error, which is backprop's.
    """

    singular: Tensor

    @classmethod
    def credit_work(
        cls,
        config: TargetConfigT,  # type: ignore[misc]  # as in Rule
        outline: ArchitectureOutline,
    ) -> CreditWork:
        """Return the work of factorizing each matrix, of solving for each output, and of a forward pass once more.

        That is there where targets are in float64; a run's weights are float32. Left out, for want of knowing the
        hardware: products shortened to TF32 or bf16 make it needed in float32 too.
        """
        senders = [segment for segment in outline.segments if outline.upstream[segment.name]]
        sizes = [segment.output_shape[0] for segment in senders]
        is_wide = config.precision == "float64"
        again = sum(segment.multiply_adds for segment in outline.segments) if is_wide else 0
        # Two of a triangle each for a row of outputs, which is one product with the matrix.
        solved = sum(segment.multiply_adds for segment in senders)
        # Numbers of double the size count double: the weight, its factors, and what comes and goes.
        units = sum(segment.units for segment in outline.segments)
        return CreditWork(
            per_example=solved + again,
            # A factorization, and two solves of a column to see whether there is an inverse.
            per_step=sum(size**3 / 3 + 2 * size**2 for size in sizes),
            held=sum(size**2 for size in sizes) * (4 if is_wide else 1),
            held_per_example=units * (4 if is_wide else 1),
        )

    def attach(self, network: Network, generator: Generator) -> None:
        """Take hold of the network; nothing is drawn."""
        super().attach(network, generator)
        # In forward order, of the segments that are inverted. Not saved: the harness asks at the end of every epoch.
        senders = len(network.credit_senders)
        self.register_buffer("singular", torch.zeros(senders, dtype=torch.bool), persistent=False)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments but the readout."""
        return self.network.hidden

    @abstractmethod
    def aim(self, difference: Tensor, derivative: Tensor, batch: Batch) -> tuple[Tensor, Tensor | float]:
        """Return how far a segment's output moves before it is inverted, and what that has to be multiplied by.

        Args:
            difference: output less target, shape (batch, ...).
            derivative: of the nonlinearity, in the same shape.
            batch: whose examples these are, of which a rule may need the whole.

        Returns:
            What is subtracted from the output; and the factor by which the differences below are smaller for it, for
            each example, shape (batch,), or for all.

        """

    def assign_credit(self, batch: Batch) -> StepResult:
        """Work out targets from the readout down and credit each hidden segment with its scaled difference."""
        tape = record_forward(self.network, batch)
        with torch.no_grad():
            tape.assign(self._credit(tape, batch))
        return StepResult(tape.loss, tape.logits)

    def after_epoch(self) -> None:
        """Look whether a weight matrix had no inverse.

        Raises:
            SingularMapError: names the segments of the first step in which one had none.

        """
        found = [name for name, is_so in zip(self.network.credit_senders, self.singular.tolist(), strict=True) if is_so]
        if found:
            raise SingularMapError(found)

    @torch.no_grad()
    def target_differences(self, batch: Batch) -> dict[str, Tensor]:
        """Return output less target of every segment, as targets are before a scale is divided out."""
        tape, factorizations = record_forward(self.network, batch), self._factorize()
        return {name: difference for name, difference, _ in self._descend(tape, batch, factorizations)}

    def _credit(self, tape: Tape, batch: Batch) -> dict[str, Tensor]:
        factorizations = self._factorize()
        self._keep_in_mind(factorizations)
        examples = len(batch.targets)
        return {
            name: difference * _for_each_example(scale / examples, difference)
            for name, difference, scale in self._descend(tape, batch, factorizations)
            if name != self.network.readout
        }

    def _descend(
        self, tape: Tape, batch: Batch, factorizations: Mapping[str, Factorization]
    ) -> Iterator[tuple[str, Tensor, Tensor | float]]:
        """Yield, from the readout down, each segment's output less its target and what that is to be multiplied by."""
        precision = self._precision
        activity = activity_in(self.network, tape, batch, precision)
        # The first segment's input is the data, which nobody has a target for.
        difference = self.network.encode_error(tape.error).to(precision) * len(batch.targets)
        scale: Tensor | float = 1.0
        above = self.network.readout
        yield above, difference, scale
        for name in reversed(self.network.hidden):
            segment, output = self.network.segments[above], activity.outputs[above]
            derivative = segment.pull_back_to_map(torch.ones_like(output), output)
            step, factor = self.aim(difference, derivative, batch)
            target = segment.invert(output - step, factorizations[above], activity.inputs[above])
            difference = _with_auxiliary(activity.inputs[above] - target, activity.outputs[name])
            scale = scale * factor
            yield name, difference, scale
            above = name

    @property
    def _precision(self) -> torch.dtype:
        weights = next(self.network.parameters()).dtype
        return getattr(torch, self.config.precision) if self.config.precision else weights

    def _factorize(self) -> dict[str, Factorization]:
        """Factorize every segment's weight but the first's."""
        maps = {name: self.network.maps[name] for name in self.network.credit_senders}
        return {name: each.factorize(each.weight.to(self._precision)) for name, each in maps.items()}

    def _keep_in_mind(self, factorizations: Mapping[str, Factorization]) -> None:
        """Keep in mind which matrices had no inverse."""
        if factorizations:
            # What follows the first singular matrix is not a number anywhere, so later steps name nobody.
            singular = torch.stack([each.singular for each in factorizations.values()])
            self.singular |= singular & ~self.singular.any()


def activity_in(network: Network, tape: Tape, batch: Batch, precision: torch.dtype) -> Activity:
    """Return a tape's activity in a type of numbers; where it has another, the forward pass is repeated in that type.

    A forward pass under autocast is narrow whatever the weights are, so it is repeated too; so is one whose products
    were shortened to TF32, which is less than the distance between an activation and its target.
    """
    was_exact = all(output.dtype == precision for output in tape.outputs.values())
    if was_exact and not shortens_products(batch.inputs.device):
        return Activity(tape.inputs, tape.outputs)
    activity = Activity({}, {})

    def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
        if not isinstance(node, Segment):
            joined: Tensor = node(*received)
            return joined
        (inputs,) = received
        bias = None if node.map.bias is None else node.map.bias.to(precision)
        output = node.respond(node.map.apply_weight(inputs, node.map.weight.to(precision), bias))
        activity.inputs[name], activity.outputs[name] = inputs, output
        return output

    with whole_products():
        network.walk(batch.inputs.to(precision), visit)
    return activity


def _with_auxiliary(difference: Tensor, output: Tensor) -> Tensor:
    """Return the difference at all of a segment's outputs for that at what the next one got of them.

    Flattened where the next one is dense; the auxiliary outputs, which are last, differ by nothing.
    """
    passed_on = difference.view(len(output), -1, *output.shape[2:])
    missing = output.shape[1] - passed_on.shape[1]
    if not missing:
        return passed_on
    return torch.cat([passed_on, output.new_zeros(len(output), missing, *output.shape[2:])], 1)


def _for_each_example(scale: Tensor | float, like: Tensor) -> Tensor | float:
    """Return a scale, where it is one number an example, in a shape that multiplies ``like``."""
    return scale.view(-1, *[1] * (like.dim() - 1)) if isinstance(scale, Tensor) else scale
