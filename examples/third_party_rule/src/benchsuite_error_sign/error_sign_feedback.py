"""Error-sign direct feedback alignment: hidden segments learn from the signs of the output error alone."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import Batch, Network, Rule, RuleConfig, RuleTraits, StepResult, hookimpl, record_forward

BENCHSUITE_CONTRACT = 2


class ErrorSignFeedbackConfig(RuleConfig):
    """Hyperparameters of the random matrices."""

    gain: float = Field(default=1.0, gt=0)
    """Factor on He's uniform bound, sqrt(6 / units), from which the matrices are drawn."""


class ErrorSignFeedback(Rule[ErrorSignFeedbackConfig]):
    """Credit at each hidden segment's output is the sign of the output error, times a fixed random matrix.

    Direct feedback alignment projects the error e itself; this rule projects sign(e), so one bit per class is fed
    back. Credit is divided by the batch size, as the output error of a mean loss is.
    """

    name = "error_sign_feedback"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Frenkel, Lefebvre & Bol 2021, Frontiers in Neuroscience 15:629892 (there: sDFA)",
        min_hidden_segments=1,
    )
    feedback_weight: Tensor

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw one matrix per hidden segment, shape (classes, units); all are concatenated in one buffer."""
        super().attach(network, generator)
        weight = next(network.parameters())
        drawn = []
        for segment in network.shapes.segments[:-1]:
            bound = self.config.gain * (6 / segment.units) ** 0.5
            matrix = torch.empty(network.classes, segment.units, dtype=weight.dtype)  # (classes, units)
            drawn.append(matrix.uniform_(-bound, bound, generator=generator))
        self.widths = [matrix.shape[1] for matrix in drawn]
        self.register_buffer("feedback_weight", torch.cat(drawn, dim=1))  # (classes, units of all hidden segments)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments but the readout."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign each hidden segment the projected signs, and the readout the output error."""
        tape = record_forward(self.network, batch)
        signs = tape.error.sign().div_(len(batch.targets))  # (batch, classes)
        credit = signs @ self.feedback_weight  # (batch, units of all hidden segments)
        tape.assign(dict(zip(self.network.hidden, torch.split(credit, self.widths, dim=1), strict=True)))
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [ErrorSignFeedback]
