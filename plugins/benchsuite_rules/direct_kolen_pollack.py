"""Direct Kolen-Pollack: direct feedback alignment whose matrices learn from the activity and the output error."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import (
    Batch,
    CreditWork,
    LearnedFeedback,
    Network,
    NetworkShapes,
    Rule,
    RuleConfig,
    RuleTraits,
    StepResult,
    hookimpl,
    record_forward,
    tunable,
)

BENCHSUITE_CONTRACT = 2


class DirectKolenPollackConfig(RuleConfig):
    """Decay that forward and feedback weights share, and scale of the initial feedback weights."""

    decay: Annotated[float, tunable(1e-6, 1e-2)] = Field(default=1e-4, ge=0, lt=1)
    """λ: after each update every weight W loses λW and every B loses λB, independent of the learning rate. The default
    is ours. With zero the matrices learn, but do not forget where they began."""
    gain: float = Field(default=1.0, gt=0)
    """Factor on 1/√units, the half-width of a segment's initial matrix: torch's default for a dense layer from these
    units to the classes, which is what the matrix comes to stand for. The default is ours."""


class DirectKolenPollack(Rule[DirectKolenPollackConfig]):
    """Direct feedback alignment in which each matrix B gets the increment of a map from its segment to the output.

    Segment l gets the credit e B, with e the output error and B of shape (classes, units). A map W from the segment to
    the logits would get the gradient eᵀ h, with h the segment's output; B gets the same, from the same optimizer, and
    both decay. B of the last hidden segment so becomes the readout's weight, as under Kolen-Pollack: their difference
    shrinks by (1-λ) per step, if no pooling or dropout lies between. Other matrices come to
    stand for the whole path from their segment to the output, as far as that is linear.

    Differences from the paper: h is the output at the point of credit, before pooling and dropout. The weights of all
    maps decay, biases and norms do not.
    """

    name = "direct_kolen_pollack"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Webster, Choi & Ahn 2021, Learning the connections in direct feedback alignment (ICLR submission "
        "zgGmAx9ZcY)",
        forms=frozenset({"ordinary", "invertible"}),
        min_hidden_segments=1,
        topologies=frozenset({"chain", "residual"}),
        learns_feedback=True,
        changes_forward_weights=True,
    )

    feedback_weight: Tensor

    @classmethod
    def credit_work(cls, config: DirectKolenPollackConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the projection and of the matrices' gradients, and the size of all matrices."""
        numel = shapes.classes * sum(_widths(shapes).values())
        return CreditWork(
            per_example=2 * numel,
            state_numel=numel,
            workspace_numel=numel,
            workspace_numel_per_example=2 * sum(_widths(shapes).values()),
        )

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw the segments' matrices, side by side in one buffer of shape (classes, units of all hidden segments)."""
        super().attach(network, generator)
        self.widths = _widths(network.shapes)
        dtype = next(network.parameters()).dtype
        drawn = []
        for units in self.widths.values():
            bound = self.config.gain / units**0.5
            matrix = torch.empty(network.classes, units, dtype=dtype)  # (classes, units)
            drawn.append(matrix.uniform_(-bound, bound, generator=generator))
        self.register_buffer("feedback_weight", torch.cat(drawn, dim=1))

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    @property
    def learned_feedback(self) -> tuple[LearnedFeedback, ...]:
        """All matrices, at the forward weights' rate."""
        return (LearnedFeedback(self.feedback_weight),)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign the projected error to every hidden segment; in training, leave the matrices' gradient."""
        tape = record_forward(self.network, batch)
        projected = tape.error @ self.feedback_weight  # (batch, units of all hidden segments)
        tape.assign(dict(zip(self.widths, torch.split(projected, list(self.widths.values()), dim=1), strict=True)))
        if self.training:
            with torch.no_grad():
                # Auxiliary units, which are last, get no credit.
                read = [tape.outputs[name].flatten(1)[:, :units] for name, units in self.widths.items()]
                activity = torch.cat(read, dim=1).to(tape.error.dtype)  # (batch, units of all hidden segments)
                self.feedback_weight.grad = tape.error.t() @ activity  # (classes, units of all hidden segments)
        return StepResult(tape.loss, tape.logits)

    def after_update(self) -> None:
        """Decay forward weights and matrices; frozen segments do not change."""
        if not self.config.decay:
            return
        with torch.no_grad():
            forward = [each.weight for each in self.network.maps.values() if each.weight.requires_grad]
            for weight in (*forward, self.feedback_weight):
                weight.mul_(1 - self.config.decay)


def _widths(shapes: NetworkShapes) -> dict[str, int]:
    """Return the number of units per example that get credit, by hidden segment."""
    return {segment.name: shapes.units_read[segment.name] for segment in shapes.segments[:-1]}


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [DirectKolenPollack]
