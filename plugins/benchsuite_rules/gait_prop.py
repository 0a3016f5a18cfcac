"""GAIT-prop: targets a small step from the activations, so that inverses act like backprop's transposed weights."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from benchsuite.plugin import Batch, Precision, Rule, RuleTraits, TargetConfig, TargetRule, hookimpl

BENCHSUITE_CONTRACT = 1


class GaitPropConfig(TargetConfig):
    """Size of the step; the defaults are those of the published code."""

    gamma: float = Field(default=1e-3, gt=0)
    """γ: fraction of a difference that a segment passes to the previous one."""
    precision: Precision | None = "float64"


class GaitProp(TargetRule[GaitPropConfig]):
    """GAIT-prop: move an output by γ f'² of its difference to the target, then invert it.

    To first order the previous segment's difference is then γ W⁻¹ f' times this one: backprop's credit if W⁻¹ is Wᵀ,
    smaller by γ in every layer.
    """

    name = "gait_prop"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Ahmad, van Gerven & Ambrogioni 2020, NeurIPS 33, with their code",
        forms=frozenset({"invertible"}),
        weight_transport=True,
    )

    def aim(self, difference: Tensor, derivative: Tensor, batch: Batch) -> tuple[Tensor, float]:
        """Return a step of γ f'² times the difference, and the factor 1/γ."""
        return derivative.square().mul_(self.config.gamma).mul_(difference), 1 / self.config.gamma


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [GaitProp]
