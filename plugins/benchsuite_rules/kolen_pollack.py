"""Kolen-Pollack: feedback weights get the increments and the decay of the forward weights, and so become equal."""

from __future__ import annotations

import torch
from pydantic import Field

from benchsuite.credit import DrawnFeedbackConfig, LearnedFeedbackRule
from benchsuite.credit.rule import Rule, RuleTraits
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class KolenPollackConfig(DrawnFeedbackConfig):
    """How fast forward and feedback weights forget, and how the latter are drawn."""

    decay: float = Field(default=1e-4, ge=0, lt=1)
    """λ: after each update W ← (1-λ)W and B ← (1-λ)B, whatever the learning rate. Ours: the paper's value is in an
    appendix that is not published, the authors' NumPy code has 0, which is URFB at full rate."""


class KolenPollack(LearnedFeedbackRule[KolenPollackConfig]):
    """Backpropagation through feedback weights that learn as the forward weights do, while both decay.

    The paper's ΔW = -η δ yᵀ - λW decays the weight of before the step; here the weight decays after it, which is the
    paper's rule at the learning rate (1-λ)η. Every map's weight decays, biases and norms do not.

    What becomes of D = W - B, under the protocol's optimizer:

    - SGD, with or without momentum, and Adam: D shrinks by exactly (1-λ) a step, for W and B see the same gradients and
      so have the same momentum and moments at all times.
    - The protocol's ``weight_decay`` instead of λ, under AdamW or plain SGD: by (1 - lr · weight_decay) a step. With
      momentum: D follows a heavy ball's path to zero, at a speed of its own, still whatever the data are.
    - ``weight_decay`` under Adam is added to the gradients, which then differ, and each is divided by a moment of its
      own: D depends on the data and need not shrink. Use λ, or AdamW.
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
        """Let forward and feedback weights decay."""
        if self.config.decay:
            with torch.no_grad():
                for linear_map in self.network.maps.values():
                    if linear_map.weight.requires_grad:  # a frozen segment keeps what it has
                        linear_map.weight.mul_(1 - self.config.decay)
                for feedback_weight in self.feedback.by_segment.values():
                    feedback_weight.mul_(1 - self.config.decay)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [KolenPollack]
