"""Enter mutants: rules that break one clause of the contract, each with the check that must catch it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchsuite.credit.rule import Rule
from benchsuite.credit.traits import RuleTraits
from benchsuite.testing import SAMPLE_NETWORKS
from benchsuite_rules.feedback_alignment import FeedbackAlignment

SAMPLES = {sample.name: sample for sample in SAMPLE_NETWORKS}


@dataclass(frozen=True)
class Mutant:
    """A broken rule, the check meant for it, and what the check's message must mention."""

    rule: type[Rule]
    check: str
    says: str
    arguments: dict[str, Any]


MUTANTS: list[Mutant] = []


def caught_by(check: Callable[..., None], says: str, **arguments: Any) -> Callable[[type[Rule]], type[Rule]]:
    """Enter a mutant together with the check that must catch it, on the sample ``dense`` where it takes one."""
    if "sample" in inspect.signature(check).parameters:
        arguments["sample"] = SAMPLES[arguments.get("sample", "dense")]

    def enter(rule: type[Rule]) -> type[Rule]:
        MUTANTS.append(Mutant(rule, check.__name__, says, arguments))
        return rule

    return enter


def claiming(rule: type[Rule], **claims: Any) -> RuleTraits:
    return rule.traits.model_copy(update=claims)


class After(FeedbackAlignment):
    """Feedback alignment with something done after a sound ``assign_credit``."""

    def assign_credit(self, batch):
        result = super().assign_credit(batch)
        self.spoil(batch)
        return result

    def spoil(self, batch):
        """Do the damage; every mutant says which, so this one is never reached."""
        raise NotImplementedError
