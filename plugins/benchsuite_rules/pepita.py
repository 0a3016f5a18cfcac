"""PEPITA: the output error, projected onto the input, modulates a second forward pass; its difference teaches."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import (
    Batch,
    CreditWork,
    Network,
    NetworkShapes,
    Phase,
    Rule,
    RuleConfig,
    RuleTraits,
    StepResult,
    hookimpl,
    record_forward,
    tunable,
)

BENCHSUITE_CONTRACT = 2


class PepitaConfig(RuleConfig):
    """Scale of the projection of the error onto the input."""

    scale: Annotated[float, tunable()] = Field(default=0.05, gt=0)
    """Factor on He's uniform bound √(6 / inputs): F is drawn from U[-scale·bound, scale·bound). The default is the
    authors'."""


class Pepita(Rule[PepitaConfig]):
    """Present the input, then the input modulated by the error; each weight learns from the change between the two.

    The standard pass gives the outputs h and the error e at the logits. The modulated pass presents x + F e and gives
    h'. With h'₀ = x + F e, hidden segments descend along (h - h') h'₋₁ᵀ, as published without the derivative of the
    nonlinearity, and the readout along e h'₋₁ᵀ. No error travels backward and no weight is read from its far side. With
    softmax and cross-entropy, as published, e is softmax minus target; under another loss it is that loss's gradient.

    Dropout drops the same units in both passes. Differences from the paper: biases, which it has none of, descend along
    h - h' and e. A filter's change is summed over positions like a gradient. Gradients are means over the batch, and
    the protocol's optimizer uses them.
    """

    name = "pepita"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Dellaferrera & Kreiman 2022, arXiv:2201.11665, algorithm 1",
        topologies=frozenset({"chain", "residual"}),
        min_hidden_segments=1,
        norms=False,
        min_precision="tf32",  # the change is a difference of two near-equal passes
        readout_update_is_backprop=False,
        separate_phase=True,
    )

    projection: Tensor

    @classmethod
    def credit_work(cls, config: PepitaConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the projection and the modulated pass, and the size of F."""
        projected = shapes.classes * math.prod(shapes.input_shape)
        units = sum(segment.units for segment in shapes.segments)
        return CreditWork(
            per_example=projected + sum(segment.macs for segment in shapes.segments),
            state_numel=projected,
            workspace_numel_per_example=2 * units + math.prod(shapes.input_shape),
        )

    @classmethod
    def phases(cls, config: PepitaConfig) -> tuple[Phase, ...]:
        """Return the modulated pass."""
        return (Phase("modulated", passes=1, labels=True),)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw F, shape (classes, inputs)."""
        super().attach(network, generator)
        inputs = math.prod(network.shapes.input_shape)
        bound = self.config.scale * (6 / inputs) ** 0.5
        drawn = torch.empty(network.classes, inputs, dtype=next(network.parameters()).dtype)
        self.register_buffer("projection", drawn.uniform_(-bound, bound, generator=generator))

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments; the readout learns from the modulated pass too."""
        return tuple(self.network.segments)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run both passes and form all gradients from their difference."""
        with self.network.repeated():
            tape = record_forward(self.network, batch)
            with self.network.untracked(), self.phase("modulated"), torch.no_grad():
                # The error of a mean over the batch is divided by its size; the paper's is each example's own.
                modulation = (tape.error * len(batch.targets)) @ self.projection  # (batch, inputs)
                inputs = batch.inputs + modulation.view_as(batch.inputs).to(batch.inputs.dtype)
                modulated = record_forward(self.network, replace(batch, inputs=inputs))
        with torch.no_grad():
            change = {
                name: (tape.outputs[name] - modulated.outputs[name]).div_(len(batch.targets))
                for name in self.network.hidden
            }
            readout = {self.network.readout: self.network.encode_error(tape.error)}
            modulated.assign({**change, **readout}, at="pre_activation", readout=False)
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [Pepita]
