"""Direct random target projection: every hidden segment learns from the label alone, without the output error."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import Batch, Network, Rule, RuleConfig, RuleTraits, StepResult, hookimpl, record_forward

BENCHSUITE_CONTRACT = 2


class DirectRandomTargetProjectionConfig(RuleConfig):
    """Hyperparameters of the random projections."""

    gain: float = Field(default=1.0, gt=0)
    """Factor on He's uniform bound, sqrt(6 / units), from which the authors' code draws the projections."""


class DirectRandomTargetProjection(Rule[DirectRandomTargetProjectionConfig]):
    """Credit at each hidden segment's output is a fixed random vector of the example's class.

    Two differences from the authors' code (https://github.com/ChFrenkel/DirectRandomTargetProjection):

    - Sign. Credit here is -y* times the projection, with the sign that the error y - y* has at the target, as in the
      paper's figure. The code descends along +y* times the projection. Projections are symmetric around zero, so the
      two differ as two draws of the projection do.
    - Size. Credit here is divided by the batch size, as the output error of a mean loss is. The code does not divide
      it: its hidden gradients are larger by the batch size, those of its readout are not. Adam cancels the factor;
      under SGD it multiplies the hidden segments' learning rate. Set ``gain`` to the batch size for it.
    """

    name = "direct_random_target_projection"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Frenkel, Lefebvre & Bol 2021, Frontiers in Neuroscience 15:629892",
        min_hidden_segments=1,
    )
    projection: Tensor

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
        self.register_buffer("projection", torch.cat(drawn, dim=1))  # (classes, units of all hidden segments)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments but the readout."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign each hidden segment the projection's row for the label, and the readout the output error."""
        tape = record_forward(self.network, batch)
        # Direct feedback alignment projects the error y - y*; this rule projects -y*. The product of a one-hot vector
        # and the matrix is a row of the matrix. Divided by the batch size, as the output error is.
        credit = self.projection[batch.targets].div_(-len(batch.targets))  # (batch, units of all hidden segments)
        tape.assign(dict(zip(self.network.hidden, torch.split(credit, self.widths, dim=1), strict=True)))
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [DirectRandomTargetProjection]
