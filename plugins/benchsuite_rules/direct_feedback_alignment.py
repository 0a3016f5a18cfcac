"""Direct feedback alignment: the output error reaches each hidden segment through a fixed random matrix."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import (
    Batch,
    CreditWork,
    Network,
    NetworkShapes,
    Rule,
    RuleConfig,
    RuleTraits,
    StepResult,
    hookimpl,
    record_forward,
)

BENCHSUITE_CONTRACT = 1


class DirectFeedbackAlignmentConfig(RuleConfig):
    """Distribution and scale of the feedback matrix; the defaults are those of the GEVB paper's tables."""

    distribution: Literal["uniform", "normal"] = "uniform"
    """``uniform``: U[-range, range). ``normal``: N(0, range²)."""
    range: float = Field(default=1.0, gt=0)
    """Half-width of the uniform or standard deviation of the normal distribution."""
    sign: Literal["mixed", "nonnegative"] = "mixed"
    """``nonnegative`` takes absolute values, U(0, range), as in the GEVB paper for nonnegative networks."""
    matrix: Literal["shared", "per_segment"] = "shared"
    """``shared``: one matrix as wide as the widest segment; each segment uses its leading columns. ``per_segment``: one
    matrix drawn per segment."""
    normalization: bool = False
    """Divide by the root of the matrix's width, which is the same for all segments if shared (TinyDFA's default)."""


class DirectFeedbackAlignment(Rule[DirectFeedbackAlignmentConfig]):
    """Credit each hidden segment with the output error times a fixed random matrix; auxiliary units get none."""

    name = "direct_feedback_alignment"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Nøkland 2016, arXiv:1609.01596; shared matrix after Launay et al. 2020 (TinyDFA)",
        forms=frozenset({"ordinary", "invertible"}),
        min_hidden_segments=1,
        topologies=frozenset({"chain", "residual"}),
    )

    feedback_weight: Tensor

    @classmethod
    def credit_work(cls, config: DirectFeedbackAlignmentConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the projection and the size of its matrix."""
        units = cls.widths(shapes).values()
        projected = shapes.classes * (max(units) if config.matrix == "shared" else sum(units))
        return CreditWork(per_example=projected, state_numel=projected)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw B: (classes, units of the widest segment) if shared, else the segments' matrices side by side."""
        super().attach(network, generator)
        units = self.widths(network.shapes)
        shared = self.config.matrix == "shared"
        starts = [0 if shared else sum(list(units.values())[:i]) for i in range(len(units))]
        self.columns = {name: slice(start, start + n) for (name, n), start in zip(units.items(), starts, strict=True)}
        weight = next(network.parameters())
        matrix = torch.empty(network.classes, max(c.stop for c in self.columns.values()), dtype=weight.dtype)
        if self.config.distribution == "normal":
            matrix.normal_(0.0, self.config.range, generator=generator)
        else:
            matrix.uniform_(-self.config.range, self.config.range, generator=generator)
        if self.config.sign == "nonnegative":
            matrix.abs_()
        if self.config.normalization:
            for columns in [slice(None)] if shared else self.columns.values():
                matrix[:, columns] /= matrix[:, columns].shape[1] ** 0.5
        self.register_buffer("feedback_weight", matrix)

    @classmethod
    def widths(cls, shapes: NetworkShapes) -> dict[str, int]:
        """Return the number of credit values per example at each point of credit, by segment."""
        return {segment.name: shapes.units_read[segment.name] for segment in shapes.segments[:-1]}

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign the projected output error to every hidden segment."""
        tape = record_forward(self.network, batch)
        projected = tape.error @ self.feedback_weight  # (batch, columns)
        tape.assign({name: projected[:, columns] for name, columns in self.columns.items()})
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [DirectFeedbackAlignment]
