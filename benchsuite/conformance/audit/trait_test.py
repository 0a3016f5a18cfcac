"""The test of one trait, and the verdict that follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchsuite.conformance.samples import SampleNetwork
from benchsuite.credit.rule import Rule
from benchsuite.credit.traits import RuleTraits, incompatibilities
from benchsuite.errors import IncompatibleError, InconclusiveError
from benchsuite.records.audit import Observation, TraitAudit, Verdict

MakeRule = Callable[[], Rule]
"""Returns a fresh rule, attached to nothing."""


@dataclass(frozen=True)
class TraitTest:
    """A test of one trait.

    Attributes:
        trait: name of the trait.
        measure: the measured quantity, in words.
        threshold: if the measured value exceeds it in any network, the trait's value is ``above``; else it is not.
        above: value of the trait above the threshold.
        weaker: the value that declares less, so that it is no failure if more is shown; None if both say
            the same.
        observe: measures a rule in one network; returns None if there is nothing to measure.
        not_applicable: returns the reason why the trait means nothing for a rule with these traits; "" if it does.

    """

    trait: str
    measure: str
    threshold: float
    above: bool
    weaker: bool | None
    observe: Callable[[MakeRule, SampleNetwork], Observation | None]
    not_applicable: Callable[[RuleTraits], str] = lambda traits: ""

    def audit(self, make_rule: MakeRule, traits: RuleTraits, networks: Sequence[SampleNetwork]) -> TraitAudit:
        """Test a rule in every network that it works in, and compare what it declares with the result."""
        if reason := self.not_applicable(traits):
            return self._result(traits, None, "not_tested", f"not applicable: {reason}")
        compatible = [s.for_losses(traits.losses) for s in networks if not incompatibilities(traits, s.shapes)]
        observations: list[Observation] = []
        refused: list[str] = []
        try:
            for sample in compatible:
                try:
                    seen = self.observe(make_rule, sample)
                except IncompatibleError as error:  # traits cannot say all that attach needs
                    refused.append(f"{sample.name}: {error}")
                    continue
                if seen is not None:
                    observations.append(seen)
        except InconclusiveError as error:
            return self._result(traits, None, "not_tested", f"{sample.name}: {error}")
        except Exception as error:  # report the crash, and go on with the other traits
            return self._result(traits, None, "crashed", f"{sample.name}: {type(error).__name__}: {error}")
        if not observations and refused:
            return self._result(traits, None, "not_tested", f"refused by attach: {'; '.join(refused)}")
        if not observations:
            return self._result(traits, None, "not_tested", "no sample network in which there is something to see")
        shown = self.above if any(seen.value > self.threshold for seen in observations) else not self.above
        return self._result(traits, shown, self._verdict(self._declared(traits), shown), "", tuple(observations))

    def _declared(self, traits: RuleTraits) -> bool:
        declared: bool = getattr(traits, self.trait)
        return declared

    def _verdict(self, declared: bool, shown: bool) -> Verdict:
        if declared == shown:
            return "confirmed"
        return "could_be_stronger" if declared == self.weaker else "contradicted"

    def _result(
        self,
        traits: RuleTraits,
        shown: bool | None,
        verdict: Verdict,
        reason: str,
        observations: tuple[Observation, ...] = (),
    ) -> TraitAudit:
        return TraitAudit(
            trait=self.trait,
            declared=self._declared(traits),
            shown=shown,
            verdict=verdict,
            measure=self.measure,
            threshold=self.threshold,
            observations=observations,
            reason=reason,
        )


def largest(sample: SampleNetwork, values: dict[str, float]) -> Observation | None:
    """Return the largest of the values measured in a network, given by place; None if there are no values."""
    if not values:
        return None
    where = max(values, key=lambda place: values[place])
    return Observation(network=sample.name, where=where, value=values[where])


def relative_change(before: float, after: float, difference: float) -> float:
    """Return the norm of a difference as a multiple of the larger of the two norms; 0 if both are zero."""
    size = max(before, after)
    return difference / size if size else 0.0
