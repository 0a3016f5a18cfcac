"""Backpropagation: credit passes back through the forward weights. The reference in every table."""

from __future__ import annotations

from benchsuite.plugin import ReplacedFeedbackRule, Rule, RuleTraits, hookimpl

BENCHSUITE_CONTRACT = 1


class Backprop(ReplacedFeedbackRule):
    """Backpropagation of the exact gradient."""

    name = "backprop"
    traits = RuleTraits(
        mechanism="replaced_feedback",
        source="Rumelhart, Hinton & Williams 1986, Nature 323",
        forms=frozenset({"ordinary", "vectorized", "invertible"}),
        topologies=frozenset({"chain", "residual", "adopted"}),
        hidden_update_is_backprop=True,
        weight_transport=True,
    )


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [Backprop]
