"""Predictive coding: hidden states relax until every segment's output is predicted, then weights reduce the errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchsuite.plugin import (
    Batch,
    CreditWork,
    NetworkShapes,
    Phase,
    Rule,
    RuleConfig,
    RuleTraits,
    StepResult,
    hookimpl,
    tunable,
)

BENCHSUITE_CONTRACT = 2

NOTHING_FIXED: Mapping[str, Tensor] = MappingProxyType({})


class PredictiveCodingConfig(RuleConfig):
    """Variables of the inference, its length and rate; the defaults are our choice."""

    variables: Literal["states", "errors"] = "states"
    """``states``: every hidden state moves by its own error and the next one's, as in Whittington & Bogacz. ``errors``:
    the prediction errors move, and states follow from them (ePC of Goemaere et al.): the output's error reaches all
    segments in the first step, by backprop through the network. One step is then backprop times the rate."""
    steps: int = Field(default=20, gt=0)
    """Number of inference steps per batch."""
    inference_rate: Annotated[float, tunable()] = Field(default=0.1, gt=0)
    """Step size of the inference."""
    incremental: bool = False
    """Average the weights' gradients over all inference steps, rather than take those of the last. In incremental
    predictive coding (Salvatori et al.) weights move at every step; here they move once per batch."""

    @model_validator(mode="after")
    def _check_states_are_incremental(self) -> PredictiveCodingConfig:
        if self.incremental and self.variables == "errors":
            raise ValueError("incremental is for variables: states; errors reach all segments in the first step")
        return self


class PredictiveCoding(Rule[PredictiveCodingConfig]):
    """Credit each segment with its prediction error: its output minus the state that inference settles on.

    The energy per example is half the squared length of all hidden segments' errors, plus the loss at the output.
    States begin at the forward pass, so that errors are zero; inference descends the energy in the states, with weights
    fixed. A weight's gradient is then that of the energy with states fixed, which is local to its segment. The smaller
    the errors, the nearer the credit is to backprop's direction. A prediction is the ordinary forward pass.
    """

    name = "predictive_coding"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Whittington & Bogacz 2017, Neural Computation 29:1229; incremental: Salvatori et al. 2022, "
        "arXiv:2212.00720; errors: Goemaere et al. 2025, arXiv:2505.20137",
        topologies=frozenset({"chain", "residual"}),
        min_hidden_segments=1,
        min_precision="tf32",
        weight_transport=True,
        separate_phase=True,
        readout_update_is_backprop=False,
    )

    @classmethod
    def credit_work(cls, config: PredictiveCodingConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the inference steps, each a pass forward and one back, and of the passes for the weights.

        Inference leaves out the segments that read the data, whose predictions stay. The weights' gradients of one pass
        are in every plan. Errors take one more pass for the states that follow from them.
        """
        forward = sum(segment.macs for segment in shapes.segments)
        inner = sum(segment.macs for segment in shapes.segments if shapes.upstream[segment.name])
        more = config.steps - 1 if config.incremental else 0  # passes that weights learn from, beside the last
        settling = config.variables == "errors"
        units = sum(segment.units for segment in shapes.segments)
        return CreditWork(
            per_example=2 * config.steps * inner + (1 + 2 * more) * forward + settling * inner,
            workspace_numel_per_example=3 * units,
        )

    @classmethod
    def phases(cls, config: PredictiveCodingConfig) -> tuple[Phase, ...]:
        """Return the inference."""
        return (Phase("inference", passes=config.steps, labels=True),)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments: the readout's input has moved too."""
        return tuple(self.network.segments)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run forward, relax the states, and leave the gradients of the energy in the weights."""
        with self.network.repeated(), torch.enable_grad():
            states: dict[str, Tensor] = {}
            with torch.no_grad():
                logits = self._run(batch.inputs, lambda name, output: states.setdefault(name, output))
            with self.network.untracked(), self.phase("inference"):
                # What reads the data alone predicts the same in every step.
                fixed = {name: states[name] for name in self._reads_data}
                infer = self._infer_errors if self.config.variables == "errors" else self._infer_states
                for settled in infer(batch, states, fixed):
                    share = 1 / (len(batch.targets) * (self.config.steps if self.config.incremental else 1))
                    energy = self._energy(batch, settled) * share
                    if energy.requires_grad:  # unless all weights are frozen
                        energy.backward()  # type: ignore[no-untyped-call]
        logits = logits.detach()
        return StepResult(batch.criterion(logits, batch.targets), logits)

    @cached_property
    def _reads_data(self) -> frozenset[str]:
        """Names of the hidden segments whose only input is the data."""
        shapes = self.network.shapes
        return frozenset(name for name in self.network.hidden if not shapes.upstream[name])

    def _infer_states(
        self, batch: Batch, states: dict[str, Tensor], fixed: Mapping[str, Tensor]
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the states that weights learn from, detached: the last ones, or those of every step."""
        for step in range(1, self.config.steps + 1):
            variables = {name: state.detach().requires_grad_() for name, state in states.items()}
            states = self._descend(self._energy(batch, variables, fixed), variables)
            if self.config.incremental or step == self.config.steps:
                yield states

    def _infer_errors(
        self, batch: Batch, states: dict[str, Tensor], fixed: Mapping[str, Tensor]
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the states that follow from the last errors, detached."""
        errors = {name: torch.zeros_like(state) for name, state in states.items()}
        for _ in range(self.config.steps):
            variables = {name: error.detach().requires_grad_() for name, error in errors.items()}
            logits = self._run(batch.inputs, lambda name, output: output + variables[name], fixed)  # noqa: B023 - called at once
            squares = torch.stack([0.5 * error.square().sum() for error in variables.values()])
            errors = self._descend(squares.sum() + self._loss(batch, logits), variables)
        settled: dict[str, Tensor] = {}
        with torch.no_grad():
            self._run(batch.inputs, lambda name, output: settled.setdefault(name, output + errors[name]), fixed)
        yield settled

    def _descend(self, energy: Tensor, variables: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the variables after one step down the energy, detached."""
        slopes = torch.autograd.grad(energy, list(variables.values()))
        rate = self.config.inference_rate
        return {n: v.detach() - rate * slope for (n, v), slope in zip(variables.items(), slopes, strict=True)}

    def _energy(
        self, batch: Batch, states: Mapping[str, Tensor], fixed: Mapping[str, Tensor] = NOTHING_FIXED
    ) -> Tensor:
        """Return the energy summed over the batch; every segment reads the states before it.

        Args:
            batch: the examples.
            states: outputs of hidden segments that are read in place of their predictions.
            fixed: predictions that are known.

        """
        squares: list[Tensor] = []

        def meet(name: str, prediction: Tensor) -> Tensor:
            squares.append(0.5 * (states[name] - prediction).square().sum())
            return states[name]

        logits = self._run(batch.inputs, meet, fixed)
        return torch.stack(squares).sum() + self._loss(batch, logits)

    def _loss(self, batch: Batch, logits: Tensor) -> Tensor:
        return batch.criterion(logits, batch.targets) * len(batch.targets)

    def _run(
        self, inputs: Tensor, at_hidden: Callable[[str, Tensor], Tensor], fixed: Mapping[str, Tensor] = NOTHING_FIXED
    ) -> Tensor:
        """Run forward and return the logits.

        Args:
            inputs: the examples.
            at_hidden: gets the name and the output of a hidden segment, and returns what later nodes read.
            fixed: outputs of segments that need not be run.

        """

        def visit(name: str, node: nn.Module, *received: Tensor) -> Tensor:
            output: Tensor = fixed[name] if name in fixed else node(*received)
            return at_hidden(name, output) if name in self.network.hidden else output

        with self.network.autocast():
            readout = self.network.walk(inputs, visit)
        return self.network.decode(self.network.widen(readout))


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [PredictiveCoding]
