"""Normalized GAIT-prop: steps of constant length, so that they are not lost in rounding in deep networks."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from benchsuite.plugin import Batch, Rule, RuleTraits, TargetConfig, TargetRule, hookimpl

BENCHSUITE_CONTRACT = 1


class NormalizedGaitPropConfig(TargetConfig):
    """Length and norm of the step."""

    eta: float = Field(default=1e-3, gt=0)
    """η: distance of a target from the output before it is passed back. No published value is known."""
    norm: Literal["l2", "squared"] = "l2"
    """Divisor of η that gives γ. ``l2``: the distance, which keeps steps at length η, as in the text of the paper.
    ``squared``: its square, as eq. 5 is printed, under which steps have no constant length."""
    scale: Literal["per_sample", "per_batch"] = "per_sample"
    """``per_sample``: one γ per example. ``per_batch``: one γ for all, from the root mean square distance."""


class NormalizedGaitProp(TargetRule[NormalizedGaitPropConfig]):
    """GAIT-prop with γ = η / (distance between output and target), layer by layer.

    The credit divides this scale out again, example by example; otherwise examples with a small error would count as
    much as those with a large one.
    """

    name = "normalized_gait_prop"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="the paper on GAIT-prop for ImageNet, eq. 5 read as its text has it; scope of the norm our choice",
        forms=frozenset({"invertible"}),
        weight_transport=True,
    )

    def aim(self, difference: Tensor, derivative: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return a step of η f'² in the direction of the target, and 1/γ per example."""
        inverse = self._inverse_gamma(difference, batch)
        spread = inverse.view(-1, *[1] * (difference.dim() - 1))
        return derivative.square().mul_(difference).div_(spread), inverse.view(-1)

    def _inverse_gamma(self, difference: Tensor, batch: Batch) -> Tensor:
        """Return 1/γ, shape (batch,) or (1,)."""
        squares = difference.flatten(1).square().sum(1)  # (batch,)
        if self.config.scale == "per_batch":
            total, shard = squares.sum(0, keepdim=True), batch.shard
            squares = shard.all_reduce_sum(total) / shard.batch_size if shard else total / len(squares)
        distance = squares if self.config.norm == "squared" else squares.sqrt()
        # An example without an error goes nowhere instead of 0/0.
        return distance.clamp_min(torch.finfo(distance.dtype).tiny) / self.config.eta


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [NormalizedGaitProp]
