"""Direct random target projection: every hidden segment learns from the label alone, without the output error."""

from __future__ import annotations

from typing import Annotated

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
    tunable,
)

BENCHSUITE_CONTRACT = 2


class DirectRandomTargetProjectionConfig(RuleConfig):
    """Scale of the random projections."""

    gain: Annotated[float, tunable()] = Field(default=1.0, gt=0)
    """Factor on He's uniform bound, √(6 / units), from which the authors' code draws the projections."""


class DirectRandomTargetProjection(Rule[DirectRandomTargetProjectionConfig]):
    """Credit at each hidden segment's output is a fixed random vector of the example's class.

    Direct feedback alignment projects the output error y - y*. With one-hot targets and outputs between 0 and 1 its
    sign is known before the output is, so that -y* can stand for it. Hidden segments then need neither the error nor
    the forward pass beyond them; only the readout learns from the error.

    The paper's hidden units are tanh. Credit stays when the error is gone, and ReLU units drift on: on digits the test
    error is 3 % with tanh and 16 % with ReLU.

    Two differences from the authors' code (https://github.com/ChFrenkel/DirectRandomTargetProjection):

    - Sign. Credit here is -y* times the projection, as in the paper's figure. The code descends along +y* times it.
      Projections are symmetric around zero, so the two differ as two draws of the projection do.
    - Size. Credit here is divided by the batch size, as the output error of a mean loss is. The code does not divide
      it: its hidden gradients are larger by the batch size, those of its readout are not. Adam cancels the factor;
      under SGD it multiplies the hidden segments' learning rate. Set ``gain`` to the batch size for it.
    """

    name = "direct_random_target_projection"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Frenkel, Lefebvre & Bol 2021, Frontiers in Neuroscience 15:629892",
        forms=frozenset({"ordinary", "invertible"}),
        min_hidden_segments=1,
        topologies=frozenset({"chain", "residual"}),
    )

    projection: Tensor

    @classmethod
    def credit_work(cls, config: DirectRandomTargetProjectionConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the size of the projections; reading a row of them takes no product."""
        units = sum(shapes.units_read[segment.name] for segment in shapes.segments[:-1])
        return CreditWork(state_numel=shapes.classes * units, workspace_numel_per_example=units)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw one matrix per hidden segment, shape (classes, units); all are side by side in one buffer."""
        super().attach(network, generator)
        dtype = next(network.parameters()).dtype
        drawn = []
        for segment in network.shapes.segments[:-1]:
            units = network.shapes.units_read[segment.name]
            bound = self.config.gain * (6 / units) ** 0.5
            matrix = torch.empty(network.classes, units, dtype=dtype)  # (classes, units)
            drawn.append(matrix.uniform_(-bound, bound, generator=generator))
        self.widths = [matrix.shape[1] for matrix in drawn]
        self.register_buffer("projection", torch.cat(drawn, dim=1))  # (classes, units of all hidden segments)

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign each hidden segment the projection's row for the label, and the readout the output error."""
        tape = record_forward(self.network, batch)
        # The product of a one-hot vector and the matrix is a row of the matrix.
        credit = self.projection[batch.targets].div_(-len(batch.targets))  # (batch, units of all hidden segments)
        tape.assign(dict(zip(self.network.hidden, torch.split(credit, self.widths, dim=1), strict=True)))
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [DirectRandomTargetProjection]
