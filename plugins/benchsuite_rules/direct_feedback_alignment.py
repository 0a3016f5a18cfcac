"""Direct feedback alignment: the output error reaches every hidden segment through a fixed random matrix of its own."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.credit import record_forward
from benchsuite.credit.rule import Batch, CreditWork, Rule, RuleConfig, RuleTraits, StepResult
from benchsuite.networks.network import Network
from benchsuite.networks.shapes.outline import ArchitectureOutline
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class DirectFeedbackAlignmentConfig(RuleConfig):
    """How the feedback matrix is drawn and scaled; the defaults are those of the GEVB paper's tables."""

    distribution: Literal["uniform", "normal"] = "uniform"
    """U[-range, range), or N(0, range²)."""
    range: float = Field(default=1.0, gt=0)
    """Half-width of the uniform, standard deviation of the normal distribution."""
    sign: Literal["mixed", "nonnegative"] = "mixed"
    """``nonnegative`` takes absolute values, U(0, range), as the GEVB paper pairs it with nonnegative networks."""
    matrix: Literal["shared", "per_segment"] = "shared"
    """One matrix as wide as the widest segment, of which each uses its leading columns; or one drawn for each."""
    normalization: bool = False
    """Divide by the root of the matrix's width, the same for all segments when shared (TinyDFA's default)."""


class DirectFeedbackAlignment(Rule[DirectFeedbackAlignmentConfig]):
    """Credit at each hidden segment's output that anybody reads is the output error times a fixed random matrix."""

    name = "direct_feedback_alignment"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Nøkland 2016, arXiv:1609.01596; shared matrix after Launay et al. 2020 (TinyDFA)",
        forms=frozenset({"ordinary", "invertible"}),
        least_hidden=1,
        topologies=frozenset({"chain", "residual"}),
    )

    feedback_weight: Tensor

    @classmethod
    def credit_work(cls, config: DirectFeedbackAlignmentConfig, outline: ArchitectureOutline) -> CreditWork:
        """Return the work of the projection, and the numbers of its matrix."""
        units = cls.widths(outline).values()
        projected = outline.classes * (max(units) if config.matrix == "shared" else sum(units))
        return CreditWork(per_example=projected, kept=projected)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw B: (classes, widest segment's units) when shared, else the segments' matrices side by side."""
        super().attach(network, generator)
        units = self.widths(network.outline)
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
    def widths(cls, outline: ArchitectureOutline) -> dict[str, int]:
        """Return how many numbers of credit there are at each place where it is handed over, by segment."""
        return {segment.name: outline.units_read[segment.name] for segment in outline.segments[:-1]}

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments but the readout."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Hand every hidden segment the projected output error."""
        tape = record_forward(self.network, batch)
        projected = tape.error @ self.feedback_weight
        tape.assign({name: projected[:, columns] for name, columns in self.columns.items()})
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [DirectFeedbackAlignment]
