"""Updated random feedback (URFB): feedback weights start random and get the forward weights' updates."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import (
    Batch,
    DrawnFeedbackConfig,
    FeedbackWeights,
    LearnedFeedbackRule,
    Network,
    Rule,
    RuleTraits,
    StepResult,
    hookimpl,
)

BENCHSUITE_CONTRACT = 1


class UpdatedRandomFeedbackConfig(DrawnFeedbackConfig):
    """Rate of the feedback weights' updates, and the fraction of connections present."""

    feedback_rate: float = Field(default=1.0, ge=0, le=1)
    """ε: learning rate of R as a multiple of W's. 0 is FRFB, which is feedback alignment."""
    connectivity: float = Field(default=1.0, gt=0, le=1)
    """Probability that an entry of W, and independently one of R, is present; the others are always zero. In the last
    segment all are present."""


class UpdatedRandomFeedback(LearnedFeedbackRule[UpdatedRandomFeedbackConfig]):
    """Backpropagation through random feedback weights R that change by ε times the change of the forward weights W.

    ε multiplies the learning rate, not the gradient. Under SGD, with or without momentum, the two are the same; Adam
    divides out the scale of a gradient. With ε = 1, W - R stays at its initial value under any optimizer without
    weight decay.
    """

    name = "updated_random_feedback"
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="Amit 2019, Frontiers in Computational Neuroscience 13:18, arXiv:1812.07965",
        forms=frozenset({"ordinary", "vectorized", "invertible"}),
        topologies=frozenset({"chain", "residual", "adopted"}),
        learns_feedback=True,
        changes_forward_weights=True,
    )

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw R, then the masks of W and R, and set absent connections to zero."""
        super().attach(network, generator)
        sparse = network.hidden if self.config.connectivity < 1 else ()
        feedback = self.feedback.by_segment
        maps = {name: network.maps[name] for name in sparse}
        weights = {name: m.weight.detach() for name, m in maps.items() if m.weight.requires_grad}
        self.forward_masks = self._draw_masks(weights, generator)
        self.feedback_masks = self._draw_masks({n: feedback[n] for n in sparse if n in feedback}, generator)

    def _draw_masks(self, weights: dict[str, Tensor], generator: Generator) -> FeedbackWeights:
        # Ones and zeros in the weight's dtype: a product with booleans takes 30 times as long (torch 2.15, CPU).
        share = self.config.connectivity
        masks = {n: torch.empty_like(w).bernoulli_(share, generator=generator) for n, w in weights.items()}
        for name, mask in masks.items():
            weights[name].mul_(mask)
        return FeedbackWeights(masks)

    @property
    def feedback_rate(self) -> float:
        """ε, the rate of the feedback weights."""
        return self.config.feedback_rate

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run forward and backward; absent connections get a gradient of zero, so no optimizer changes them."""
        result = super().assign_credit(batch)
        feedback = self.feedback.by_segment
        for name, mask in self.feedback_masks.by_segment.items():
            shared = feedback[name].grad
            feedback[name].grad = None if shared is None else shared * mask
        for name, mask in self.forward_masks.by_segment.items():
            gradient = self.network.maps[name].weight.grad
            if gradient is not None:
                gradient.mul_(mask)
        return result


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [UpdatedRandomFeedback]
