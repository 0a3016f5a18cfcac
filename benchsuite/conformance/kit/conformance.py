"""``RuleConformance``: subclass it in a test module, name the rule, run pytest."""

from __future__ import annotations

from benchsuite.conformance.kit.cost_checks import CostChecks
from benchsuite.conformance.kit.credit_checks import CreditChecks
from benchsuite.conformance.kit.learning_checks import LearningChecks
from benchsuite.conformance.kit.rank_checks import RankChecks
from benchsuite.conformance.kit.state_checks import StateChecks
from benchsuite.conformance.kit.trait_checks import TraitChecks
from benchsuite.conformance.kit.update_checks import UpdateChecks


class RuleConformance(CreditChecks, StateChecks, UpdateChecks, CostChecks, RankChecks, TraitChecks, LearningChecks):
    """Every check of the contract, on every sample network that the rule can work in.

    What cannot apply to the rule is not collected, so a skip or a failure always means something. A skip means that
    ``attach`` refuses a network which the rule's traits allow.

    Set ``rule``; the rest has defaults (see ``ConformanceSettings``)::

        class TestMyRule(RuleConformance):
            rule = MyRule
            config = MyRuleConfig(scale=0.5)
            learning_floor = 0.9

    A failure says what the contract asks, what was seen, and what to do. One check alone:
    ``pytest -k "TestMyRule and resumed and conv"``.
    """
