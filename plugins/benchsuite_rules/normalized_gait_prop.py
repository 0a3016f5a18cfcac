"""Normalized GAIT-prop: the step of GAIT-prop held at one length, so that rounding does not eat it in deep networks."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from benchsuite.credit import TargetConfig, TargetRule
from benchsuite.credit.rule import Batch, Rule, RuleTraits
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class NormalizedGaitPropConfig(TargetConfig):
    """How long the step is, and of what."""

    eta: float = Field(default=1e-3, gt=0)
    """η: the distance that a target is put at before it is passed down. A published value is not known."""
    norm: Literal["l2", "squared"] = "l2"
    """What η is divided by to give γ: the distance, which holds steps at η as the text of the paper says, or its square
    as eq. 5 is printed, under which they do not keep a length."""
    scale: Literal["per_sample", "per_batch"] = "per_sample"
    """Whether each example has a γ of its own, or all have that of the root mean square distance."""


class NormalizedGaitProp(TargetRule[NormalizedGaitPropConfig]):
    """GAIT-prop with γ = η over the distance between output and target, layer by layer.

    What a difference was scaled by is divided out again in the credit, example by example: otherwise examples with a
    small error would weigh as much as those with a large one.
    """

    name = "normalized_gait_prop"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="the paper on GAIT-prop for ImageNet, eq. 5 read as its text has it; scope of the norm our choice",
        forms=frozenset({"invertible"}),
        weight_transport=True,
    )

    def aim(self, difference: Tensor, derivative: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Go η f'² in the direction of the target."""
        inverse = self._inverse_gamma(difference, batch)
        spread = inverse.view(-1, *[1] * (difference.dim() - 1))
        return derivative.square().mul_(difference).div_(spread), inverse.view(-1)

    def _inverse_gamma(self, difference: Tensor, batch: Batch) -> Tensor:
        """Return 1/γ, shape (batch,) or (1,)."""
        squares = difference.flatten(1).square().sum(1)
        if self.config.scale == "per_batch":
            total, whole = squares.sum(0, keepdim=True), batch.share
            squares = whole.total(total) / whole.whole if whole else total / len(squares)
        distance = squares if self.config.norm == "squared" else squares.sqrt()
        # An example without an error goes nowhere instead of 0/0.
        return distance.clamp_min(torch.finfo(distance.dtype).tiny) / self.config.eta


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [NormalizedGaitProp]
