"""Feedback alignment: credit travels back through fixed random weights."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.credit import ReplacedFeedbackRule
from benchsuite.network.maps import LinearMap
from benchsuite.registry import hookimpl
from benchsuite.rule import Rule, RuleConfig, RuleTraits

BENCHSUITE_CONTRACT = 1


class FeedbackAlignmentConfig(RuleConfig):
    """How the fixed feedback weights are drawn."""

    distribution: Literal["normal", "uniform"] = "uniform"
    """Mean zero either way."""
    standard_deviation: float | None = Field(default=None, gt=0)
    """Of every feedback weight; sqrt(2 / (fan_in + fan_out)) if not given, Glorot's, as the URFB code draws W and R."""


class FeedbackAlignment(ReplacedFeedbackRule):
    """Backpropagation through fixed random feedback weights of the forward weights' shape."""

    name = "feedback_alignment"
    Config = FeedbackAlignmentConfig
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="Lillicrap et al. 2016, Nature Communications 7:13276",
        topologies=frozenset({"chain", "residual"}),
    )

    def draw_feedback(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        """Return one map's feedback weight, independent of its weight."""
        sd = self.config.standard_deviation or (2 / (linear_map.fan_in + linear_map.fan_out)) ** 0.5
        feedback_weight = torch.empty_like(linear_map.weight, requires_grad=False)
        if self.config.distribution == "normal":
            return feedback_weight.normal_(0.0, sd, generator=generator)
        return feedback_weight.uniform_(-sd * 3**0.5, sd * 3**0.5, generator=generator)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [FeedbackAlignment]
