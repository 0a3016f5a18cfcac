"""Kolen-Pollack: feedback weights get the same increments and decay as the forward weights, and so become equal."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from pydantic import Field
from torch import Generator, Tensor

from benchsuite.plugin import (
    Batch,
    CreditWork,
    DrawnFeedbackConfig,
    LearnedFeedbackRule,
    Network,
    NetworkShapes,
    Rule,
    RuleTraits,
    StepResult,
    hookimpl,
)

BENCHSUITE_CONTRACT = 1


class KolenPollackConfig(DrawnFeedbackConfig):
    """Decay of forward and feedback weights, and distribution of the feedback weights."""

    decay: float = Field(default=1e-4, ge=0, lt=1)
    """λ: in each update W loses λW and B loses λB, independent of the learning rate. The default is ours: the
    paper's value is in an unpublished appendix, and the authors' NumPy code has 0, which is URFB at full rate."""
    order: Literal["step_first", "decay_first"] = "step_first"
    """``step_first``: W ← (1-λ)(W + ΔW). ``decay_first``: W ← (1-λ)W + ΔW, as the paper prints it; keeps a copy of the
    weights within each step."""

    omit_default_from_hash = DrawnFeedbackConfig.omit_default_from_hash | {"order"}


class KolenPollack(LearnedFeedbackRule[KolenPollackConfig]):
    """Backpropagation through feedback weights that get the forward weights' updates, while both decay.

    The paper's ΔW = -η δ yᵀ - λW decays the weight before the step: ``order: decay_first``. By default the weight
    decays after it, which is the paper's rule at the learning rate (1-λ)η. The weights of all maps decay; biases and
    norms do not.

    The difference D = W - B, under the protocol's optimizer:

    - SGD, with or without momentum, and Adam: D shrinks by exactly (1-λ) per step, since W and B have the same
      gradients and so always the same momentum and moments.
    - The protocol's ``weight_decay`` instead of λ, under AdamW or plain SGD: D shrinks by (1 - lr · weight_decay) per
      step. With momentum, D follows a heavy ball's path to zero at another speed, still independent of the data.
    - ``weight_decay`` under Adam is added to the gradients, which then differ, and each is divided by its own moment: D
      depends on the data and need not shrink. Use λ, or AdamW.

    A nonnegative network clamps W at zero after each step, and B is clamped with it (our choice; the paper has no such
    network). Otherwise B would go on where W stops, D would not shrink, and credit would stay near 90 degrees.
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

    @classmethod
    def credit_work(cls, config: KolenPollackConfig, shapes: NetworkShapes) -> CreditWork:
        """Return the work of the mechanism, and the copies of all weights if they decay before the step."""
        work = super().credit_work(config, shapes)
        if config.order == "step_first" or not config.decay:
            return work
        copied = sum(segment.parameters for segment in shapes.segments) + work.state_numel
        return replace(work, workspace_numel=work.workspace_numel + copied)

    def attach(self, network: Network, generator: Generator) -> None:
        """Draw the feedback weights."""
        super().attach(network, generator)
        self._before_step: list[Tensor] = []

    @property
    def _decaying(self) -> list[Tensor]:
        """Forward and feedback weights that decay; frozen segments do not change."""
        forward = [each.weight for each in self.network.maps.values() if each.weight.requires_grad]
        return [*forward, *self.feedback.by_segment.values()]

    def assign_credit(self, batch: Batch) -> StepResult:
        """Run forward and backward; keep the weights of before the step if they decay first."""
        result = super().assign_credit(batch)
        if self.training and self.config.order == "decay_first" and self.config.decay:
            self._before_step = [weight.detach().clone() for weight in self._decaying]
        return result

    def after_update(self) -> None:
        """Constrain feedback weights as the network does forward weights, and let both decay."""
        decay = self.config.decay
        with torch.no_grad():
            for name in self.network.constrained:
                self.feedback.by_segment[name].clamp_min_(0)
            if not decay:
                return
            if self.config.order == "step_first":
                for weight in self._decaying:
                    weight.mul_(1 - decay)
                return
            for weight, before in zip(self._decaying, self._before_step, strict=True):
                weight.sub_(before, alpha=decay)
        self._before_step = []


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [KolenPollack]
