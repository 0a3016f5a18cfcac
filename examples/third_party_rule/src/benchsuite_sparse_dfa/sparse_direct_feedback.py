"""Direct feedback alignment with sparse connections: every hidden unit hears the error of one class."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import Batch, Network, Rule, RuleConfig, RuleTraits, StepResult, hookimpl, record_forward

BENCHSUITE_CONTRACT = 2


class SparseDirectFeedbackConfig(RuleConfig):
    """Hyperparameters of the random connections."""

    half_width: float = Field(default=1.0, gt=0)
    """Feedback weights are drawn from U[-half_width, half_width); the default is ours."""


class SparseDirectFeedback(Rule[SparseDirectFeedbackConfig]):
    """Credit at each hidden unit's output is the output error of one class, drawn once, times a fixed random weight.

    Direct feedback alignment with a matrix that has one entry per unit: it stores and multiplies one number per unit
    instead of one per unit and class. Only the paper's sparsest case is here.
    """

    name = "sparse_direct_feedback"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Crafton, Parihar, Gebhardt & Raychowdhury 2019, Frontiers in Neuroscience 13:525",
        short_name="SDFA",
        min_hidden_segments=1,
    )
    chosen: Tensor
    feedback_weight: Tensor

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw a class and a weight for each hidden unit; those of all segments are in one buffer each."""
        super().attach(network, generator)
        self.widths = [segment.units for segment in network.shapes.segments[:-1]]
        units, weight = sum(self.widths), next(network.parameters())
        self.register_buffer("chosen", torch.randint(network.classes, (units,), generator=generator))  # (units,)
        drawn = torch.empty(units, dtype=weight.dtype)  # (units,)
        half_width = self.config.half_width
        self.register_buffer("feedback_weight", drawn.uniform_(-half_width, half_width, generator=generator))

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments but the readout."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign each hidden unit its weighted error, and the readout the output error."""
        tape = record_forward(self.network, batch)
        credit = tape.error[:, self.chosen] * self.feedback_weight  # (batch, units of all hidden segments)
        tape.assign(dict(zip(self.network.hidden, torch.split(credit, self.widths, dim=1), strict=True)))
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [SparseDirectFeedback]
