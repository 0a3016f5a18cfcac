"""Kolen-Pollack: feedback weights get the same increments and decay as the forward weights, and so become equal."""

from __future__ import annotations

import torch
from pydantic import Field

from benchsuite.plugin import DrawnFeedbackConfig, LearnedFeedbackRule, Rule, RuleTraits, hookimpl

BENCHSUITE_CONTRACT = 1


class KolenPollackConfig(DrawnFeedbackConfig):
    """Decay of forward and feedback weights, and distribution of the feedback weights."""

    decay: float = Field(default=1e-4, ge=0, lt=1)
    """λ: after each update W ← (1-λ)W and B ← (1-λ)B, independent of the learning rate. The default is ours: the
    paper's value is in an unpublished appendix, and the authors' NumPy code has 0, which is URFB at full rate."""


class KolenPollack(LearnedFeedbackRule[KolenPollackConfig]):
    """Backpropagation through feedback weights that get the forward weights' updates, while both decay.

    The paper's ΔW = -η δ yᵀ - λW decays the weight before the step. Here the weight decays after it, which is the
    paper's rule at the learning rate (1-λ)η. The weights of all maps decay; biases and norms do not.

    The difference D = W - B, under the protocol's optimizer:

    - SGD, with or without momentum, and Adam: D shrinks by exactly (1-λ) per step, since W and B have the same
      gradients and so always the same momentum and moments.
    - The protocol's ``weight_decay`` instead of λ, under AdamW or plain SGD: D shrinks by (1 - lr · weight_decay) per
      step. With momentum, D follows a heavy ball's path to zero at another speed, still independent of the data.
    - ``weight_decay`` under Adam is added to the gradients, which then differ, and each is divided by its own moment: D
      depends on the data and need not shrink. Use λ, or AdamW.
    """

    name = "kolen_pollack"
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="Akrout et al. 2019, arXiv:1904.05391, eq. 16-17; after Kolen & Pollack 1994",
        forms=frozenset({"ordinary", "vectorized", "invertible"}),
        topologies=frozenset({"chain", "residual", "adopted"}),
        learns_feedback=True,
        changes_forward_weights=True,
    )

    def after_update(self) -> None:
        """Decay forward and feedback weights."""
        if self.config.decay:
            with torch.no_grad():
                for linear_map in self.network.maps.values():
                    if linear_map.weight.requires_grad:  # frozen segments do not change
                        linear_map.weight.mul_(1 - self.config.decay)
                for feedback_weight in self.feedback.by_segment.values():
                    feedback_weight.mul_(1 - self.config.decay)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [KolenPollack]
