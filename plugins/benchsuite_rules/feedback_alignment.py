"""Feedback alignment: credit travels back through fixed random weights."""

from __future__ import annotations

from torch import Generator, Tensor

from benchsuite.credit import DrawnFeedbackConfig, ReplacedFeedbackRule
from benchsuite.network.maps import LinearMap
from benchsuite.registry import hookimpl
from benchsuite.rule import Rule, RuleTraits

BENCHSUITE_CONTRACT = 1


class FeedbackAlignment(ReplacedFeedbackRule):
    """Backpropagation through fixed random feedback weights of the forward weights' shape."""

    name = "feedback_alignment"
    Config = DrawnFeedbackConfig
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="Lillicrap et al. 2016, Nature Communications 7:13276",
        forms=frozenset({"ordinary", "vectorized"}),
        topologies=frozenset({"chain", "residual"}),
    )

    def draw_feedback(self, linear_map: LinearMap, generator: Generator) -> Tensor:
        """Return one map's feedback weight, independent of its weight."""
        drawn: Tensor = self.config.draw(linear_map, generator)
        return drawn


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [FeedbackAlignment]
