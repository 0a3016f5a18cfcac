"""Feedback alignment: credit passes back through fixed random weights."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import DrawnFeedbackConfig, LinearMap, Network, ReplacedFeedbackRule, Rule, RuleTraits, hookimpl

BENCHSUITE_CONTRACT = 1


class FeedbackAlignmentConfig(DrawnFeedbackConfig):
    """Distribution and density of the feedback weights."""

    density: float = Field(default=1.0, gt=0, le=1)
    """Probability that a feedback weight is present; the others are always zero. Present weights are not scaled up, so
    feedback as a whole is smaller by a factor of √density."""

    omit_default_from_hash = DrawnFeedbackConfig.omit_default_from_hash | {"density"}


class FeedbackAlignment(ReplacedFeedbackRule[FeedbackAlignmentConfig]):
    """Backpropagation through fixed random feedback weights in the shape of the forward weights."""

    name = "feedback_alignment"
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="Lillicrap et al. 2016, Nature Communications 7:13276",
        forms=frozenset({"ordinary", "vectorized", "invertible"}),
        topologies=frozenset({"chain", "residual", "adopted"}),
    )

    def draw_feedback(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        """Return one map's feedback weight, independent of its forward weight."""
        return self.config.draw(linear_map, generator)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw all feedback weights, then which of them are present."""
        super().attach(network, generator)
        if self.config.density < 1:
            for feedback_weight in self.feedback.by_segment.values():
                is_there = torch.empty_like(feedback_weight).bernoulli_(self.config.density, generator=generator)
                feedback_weight.mul_(is_there)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [FeedbackAlignment]
