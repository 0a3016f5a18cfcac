"""Mono-Forward: each hidden segment has a projection to the classes, and descends its own loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from benchsuite.plugin import (
    Batch,
    CreditWork,
    Network,
    NetworkShapes,
    ParameterGroup,
    Rule,
    RuleConfig,
    RuleTraits,
    StepResult,
    hookimpl,
    record_forward,
)

BENCHSUITE_CONTRACT = 2


class MonoForwardConfig(RuleConfig):
    """Segments whose goodness predicts the class."""

    prediction: Literal["last", "sum"] = "last"
    """``last``: the goodness of the last hidden segment. ``sum``: that of all hidden segments, added."""


class MonoForward(Rule[MonoForwardConfig]):
    """Goodness is a segment's output times a projection matrix, a number per class, and its loss trains both.

    A hidden segment with output a has G = a Mᵀ, shape (batch, classes), and the loss of G with the labels. Its weights
    and M descend that loss; nothing passes to the segment below. M is a parameter of the rule, trained by the
    protocol's optimizer. The network's readout is left alone: M of the last hidden segment stands in for it.

    What differs from the paper: the loss is the protocol's, which is the paper's if it is the cross-entropy; all
    segments learn in the same step, from the outputs of that step; M starts as torch's linear layers do, U(±1/√units).
    """

    name = "mono_forward"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Gong, Li & Abdulla 2025, arXiv:2501.09238",
        topologies=frozenset({"chain", "residual"}),
        min_hidden_segments=1,
        readout_update_is_backprop=False,
        own_inference=True,
        own_parameters=True,
        has_credit=False,
    )

    @classmethod
    def credit_work(cls, config: MonoForwardConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the projections, their gradients and the credit through them, and their size."""
        *hidden, readout = shapes.segments
        projected = shapes.classes * sum(segment.units for segment in hidden)
        return CreditWork(per_example=max(0, 3 * projected - readout.macs), state_numel=projected)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw a projection for each hidden segment, shape (classes, units)."""
        super().attach(network, generator)
        units = {segment.name: segment.units for segment in network.shapes.segments[:-1]}
        like = next(network.parameters())
        drawn = {
            name: like.new_empty(network.classes, count).uniform_(-(count**-0.5), count**-0.5, generator=generator)
            for name, count in units.items()
        }
        self.projections = nn.ParameterDict({name: nn.Parameter(matrix) for name, matrix in drawn.items()})

    @property
    def trained_parameters(self) -> tuple[ParameterGroup, ...]:
        """All projections."""
        return (ParameterGroup("projections", tuple(self.projections.values())),)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments."""
        return tuple(self.network.segments)

    @property
    def untrained(self) -> frozenset[str]:
        """The readout's parameters."""
        return self.network.parameter_names([self.network.readout])

    def assign_credit(self, batch: Batch) -> StepResult:
        """Give each hidden segment the error of its own goodness."""
        tape = record_forward(self.network, batch)
        credit = {}
        with torch.no_grad():
            goodness = self._goodness({name: tape.outputs[name].detach() for name in self.network.hidden})
            for name, projection in self.projections.items():
                _, error = batch.criterion.loss_and_error(goodness[name], batch.targets)  # (batch, classes)
                projection.grad = error.t() @ self._flat(tape.outputs[name].detach())
                credit[name] = error @ projection  # (batch, units)
            logits = self._prediction(goodness)
            loss, _ = batch.criterion.loss_and_error(logits, batch.targets)
        tape.assign(credit, readout=False)
        return StepResult(loss, logits)

    @torch.no_grad()
    def predict(self, inputs: Tensor) -> Tensor:
        """Return the goodness of the last hidden segment, or of all."""
        outputs: dict[str, Tensor] = {}

        def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
            if name == self.network.readout:
                return received[0]
            output: Tensor = node(*received)
            if name in self.projections:
                outputs[name] = output
            return output

        with self.network.autocast():
            self.network.walk(inputs, visit)
        return self._prediction(self._goodness(outputs))

    def _goodness(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return each hidden segment's number per class, shape (batch, classes)."""
        return {name: self._flat(output) @ self.projections[name].t() for name, output in outputs.items()}

    def _prediction(self, goodness: Mapping[str, Tensor]) -> Tensor:
        values = list(goodness.values())
        return values[-1] if self.config.prediction == "last" else torch.stack(values).sum(0)

    def _flat(self, output: Tensor) -> Tensor:
        """Return a segment's output as (batch, units), in the weights' type."""
        return self.network.widen(output).flatten(1)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [MonoForward]
