"""GAIT-prop: targets a small step from the activations, so that inverses pass on what backprop's transposes would."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from benchsuite.credit import Precision, TargetConfig, TargetRule
from benchsuite.credit.rule import Batch, Rule, RuleTraits
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class GaitPropConfig(TargetConfig):
    """How small the step is; defaults are those of the published code."""

    gamma: float = Field(default=1e-3, gt=0)
    """γ: the part of a difference that a segment passes on to the one below."""
    precision: Precision | None = "float64"


class GaitProp(TargetRule[GaitPropConfig]):
    """Before it is inverted, an output moves by γ f'² of its difference to the target.

    To first order the difference below is then γ W⁻¹ f' times it: backprop's credit where W⁻¹ is Wᵀ, smaller by γ in
    every layer.
    """

    name = "gait_prop"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Ahmad, van Gerven & Ambrogioni 2020, NeurIPS 33, with their code",
        forms=frozenset({"invertible"}),
        weight_transport=True,
    )

    def aim(self, difference: Tensor, derivative: Tensor, batch: Batch) -> tuple[Tensor, float]:
        """Go the γ f'²-th part of the way."""
        return derivative.square().mul_(self.config.gamma).mul_(difference), 1 / self.config.gamma


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [GaitProp]
