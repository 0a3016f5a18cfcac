"""Target propagation with exact inverses: each layer's target is the next layer's target, inverted."""

from __future__ import annotations

from torch import Tensor

from benchsuite.plugin import Batch, Precision, Rule, RuleTraits, TargetConfig, TargetRule, hookimpl

BENCHSUITE_CONTRACT = 1


class TargetPropagationConfig(TargetConfig):
    """Precision of the target pass; the default is that of the published code."""

    precision: Precision | None = "float64"


class TargetPropagation(TargetRule[TargetPropagationConfig]):
    """Pass targets back through the inverses of the layers, from the output's target to the first segment."""

    name = "target_propagation"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Bengio 2014, arXiv:1407.7906; exact inverses as in Ahmad, van Gerven & Ambrogioni 2020, NeurIPS 33",
        forms=frozenset({"invertible"}),
        weight_transport=True,
    )

    def aim(self, difference: Tensor, derivative: Tensor, batch: Batch) -> tuple[Tensor, float]:
        """Return a step all the way to the target, and the factor 1."""
        return difference, 1.0


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [TargetPropagation]
