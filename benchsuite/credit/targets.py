"""Target rules: targets for each segment, computed by inverting later segments; credit is output minus target.

This module has everything the rules share; they differ in the size of the step towards a target
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

from benchsuite.credit.batch import Batch, StepResult
from benchsuite.credit.recording import record_forward
from benchsuite.credit.rule import Rule, RuleConfig
from benchsuite.credit.tape import Tape
from benchsuite.credit.work import CreditWork
from benchsuite.errors import SingularMapError
from benchsuite.networks.maps import Factorization
from benchsuite.networks.network import Network
from benchsuite.networks.segments import Segment
from benchsuite.networks.shapes.network_shapes import NetworkShapes
from benchsuite.networks.tf32 import tf32_is_allowed, without_tf32

Precision = Literal["float32", "float64"]
TargetForm = Literal["targets", "differences"]


class TargetConfig(RuleConfig):
    """Form and precision of the target pass."""

    precision: Precision | None = None
    """Dtype of the target pass; the weights' dtype if not given. If it differs from the activations' dtype, the
    forward pass is repeated in it, since a target may differ from an activation by less than float32 can resolve, and
    a unit may be nearer to a kink."""
    form: TargetForm = "targets"
    """Quantity that the target pass carries from segment to segment. ``targets``: the target, as published; credit is
    then an activation minus its target, and lost in rounding where the two nearly agree. ``differences``: that
    difference itself. Both are equal in exact arithmetic, kinks included; the second loses no digits."""

    omit_default_from_hash = frozenset({"form"})


TargetConfigT = TypeVar("TargetConfigT", bound=TargetConfig, default=TargetConfig, covariant=True)
"""The hyperparameters of a target rule."""


@dataclass(frozen=True)
class Activity:
    """Inputs and outputs of segments in one forward pass, by name, in the dtype of the target pass."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


class TargetRule(Rule[TargetConfigT]):
    """Credit each hidden segment with the difference between its output and the target that later segments give it.

    The readout's target is its output minus batch size times error; under the squared error that is the one-hot target.
    The target of an auxiliary unit is its own activity, so it has no error. The tape applies derivatives. The readout
    itself gets the output error, as in backprop.
    """

    singular: Tensor

    @classmethod
    def credit_work(
        cls,
        config: TargetConfigT,  # type: ignore[misc]  # as in Rule
        shapes: NetworkShapes,
    ) -> CreditWork:
        """Return the work of factorizing each matrix, solving for each output, and repeating the forward pass.

        The repetition is counted if targets are in float64, since a run's weights are float32. With TF32 or bf16
        products it happens in float32 too; that is not counted, because the hardware is not known here.
        """
        senders = [segment for segment in shapes.segments if shapes.upstream[segment.name]]
        sizes = [segment.output_shape[0] for segment in senders]
        is_wide = config.precision == "float64"
        again = sum(segment.macs for segment in shapes.segments) if is_wide else 0
        # Two triangular solves per row of outputs cost as much as one product with the matrix.
        solved = sum(segment.macs for segment in senders)
        # float64 counts double: the weight, its factors, and the inputs and outputs of the solves.
        units = sum(segment.units for segment in shapes.segments)
        return CreditWork(
            per_example=solved + again,
            # A factorization, and two solves of a column to check for an inverse.
            per_step=sum(size**3 / 3 + 2 * size**2 for size in sizes),
            workspace_numel=sum(size**2 for size in sizes) * (4 if is_wide else 1),
            workspace_numel_per_example=units * (4 if is_wide else 1),
        )

    @classmethod
    def reference_config(
        cls,
        config: TargetConfigT,  # type: ignore[misc]  # as in Rule
    ) -> RuleConfig:
        """Return the config with differences in float64, in which nothing is lost in rounding."""
        return config.model_copy(update={"form": "differences", "precision": "float64"})

    def attach(self, network: Network, generator: Generator) -> None:
        """Attach to the network; nothing is drawn."""
        super().attach(network, generator)
        # One flag per inverted segment, in forward order. Not saved: the harness checks it after every epoch.
        senders = len(network.credit_senders)
        self.register_buffer("singular", torch.zeros(senders, dtype=torch.bool), persistent=False)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    @abstractmethod
    def aim(self, difference: Tensor, derivative: Tensor, batch: Batch) -> tuple[Tensor, Tensor | float]:
        """Return the step of a segment's output before it is inverted, and the factor that undoes the step's scale.

        Args:
            difference: output minus target, shape (batch, ...).
            derivative: derivative of the nonlinearity, in the same shape.
            batch: the batch; a rule may need its whole size.

        Returns:
            The step to subtract from the output; and the factor by which it makes all earlier differences smaller, per
            example, shape (batch,), or one number for all.

        """

    def assign_credit(self, batch: Batch) -> StepResult:
        """Compute targets from the readout backwards and credit each hidden segment with its scaled difference."""
        tape = record_forward(self.network, batch)
        with torch.no_grad():
            tape.assign(self._credit(tape, batch))
        return StepResult(tape.loss, tape.logits)

    def after_epoch(self) -> None:
        """Check whether a weight matrix had no inverse.

        Raises:
            SingularMapError: if so. It names the segments concerned in the first such step.

        """
        found = [name for name, is_so in zip(self.network.credit_senders, self.singular.tolist(), strict=True) if is_so]
        if found:
            raise SingularMapError(found)

    @torch.no_grad()
    def target_differences(self, batch: Batch) -> dict[str, Tensor]:
        """Return output minus target of every segment, before the scale is divided out."""
        tape, factorizations = record_forward(self.network, batch), self._factorize()
        return {name: difference for name, difference, _ in self._descend(tape, batch, factorizations)}

    def _credit(self, tape: Tape, batch: Batch) -> dict[str, Tensor]:
        factorizations = self._factorize()
        self._remember_singular(factorizations)
        examples = len(batch.targets)
        return {
            name: difference * _for_each_example(scale / examples, difference)
            for name, difference, scale in self._descend(tape, batch, factorizations)
            if name != self.network.readout
        }

    def _descend(
        self, tape: Tape, batch: Batch, factorizations: Mapping[str, Factorization]
    ) -> Iterator[tuple[str, Tensor, Tensor | float]]:
        """Yield (segment, output minus target, scale to multiply it by), from the readout backwards."""
        precision, carries_differences = self._precision, self.config.form == "differences"
        activity = activity_in(self.network, tape, batch, precision)
        # The first segment's input is the data, which has no target.
        difference = self.network.encode_error(tape.error).to(precision) * len(batch.targets)  # (batch, units)
        scale: Tensor | float = 1.0
        above = self.network.readout
        yield above, difference, scale
        for name in reversed(self.network.hidden):
            segment, output = self.network.segments[above], activity.outputs[above]
            derivative = segment.pull_back_to_map(torch.ones_like(output), output)
            step, factor = self.aim(difference, derivative, batch)
            inputs, factorization = activity.inputs[above], factorizations[above]
            if carries_differences:
                passed_on = segment.invert_difference(step, output, factorization, inputs)
            else:
                passed_on = inputs - segment.invert(output - step, factorization, inputs)
            difference = _with_auxiliary(passed_on, activity.outputs[name])
            scale = scale * factor
            yield name, difference, scale
            above = name

    @property
    def _precision(self) -> torch.dtype:
        weights = next(self.network.parameters()).dtype
        return getattr(torch, self.config.precision) if self.config.precision else weights

    def _factorize(self) -> dict[str, Factorization]:
        """Factorize the weight of every segment except the first."""
        maps = {name: self.network.maps[name] for name in self.network.credit_senders}
        return {name: each.factorize(each.weight.to(self._precision)) for name, each in maps.items()}

    def _remember_singular(self, factorizations: Mapping[str, Factorization]) -> None:
        """Record which matrices had no inverse."""
        if factorizations:
            # After the first singular matrix everything is NaN, so later steps must not add names.
            singular = torch.stack([each.singular for each in factorizations.values()])
            self.singular |= singular & ~self.singular.any()


def activity_in(network: Network, tape: Tape, batch: Batch, precision: torch.dtype) -> Activity:
    """Return a tape's activity in a given dtype; the forward pass is repeated if it was in another dtype.

    It is also repeated after autocast, whose outputs are low-precision whatever the weights are, and if TF32 is
    allowed: TF32 is coarser than the distance between an activation and its target.
    """
    was_exact = all(output.dtype == precision for output in tape.outputs.values())
    if was_exact and not tf32_is_allowed(batch.inputs.device):
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

    with without_tf32():
        network.walk(batch.inputs.to(precision), visit)
    return activity


def _with_auxiliary(difference: Tensor, output: Tensor) -> Tensor:
    """Return the difference at all outputs of a segment, given the difference at the outputs that the next one reads.

    The latter is flattened if the next segment is dense. Auxiliary outputs, which are last, get a difference of zero.
    """
    passed_on = difference.view(len(output), -1, *output.shape[2:])  # (batch, outputs read, ...)
    missing = output.shape[1] - passed_on.shape[1]
    if not missing:
        return passed_on
    return torch.cat([passed_on, output.new_zeros(len(output), missing, *output.shape[2:])], 1)


def _for_each_example(scale: Tensor | float, like: Tensor) -> Tensor | float:
    """Return a scale, if it is one number per example, in a shape that broadcasts to ``like``."""
    return scale.view(-1, *[1] * (like.dim() - 1)) if isinstance(scale, Tensor) else scale
