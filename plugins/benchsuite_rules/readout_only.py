"""Readout only: the control in which hidden segments keep their initial weights."""

from __future__ import annotations

from benchsuite.plugin import Batch, Rule, RuleTraits, StepResult, hookimpl, record_forward

BENCHSUITE_CONTRACT = 1


class ReadoutOnly(Rule):
    """Train only the readout, on random features: the baseline for every rule that trains hidden segments."""

    name = "readout_only"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="control; called SHALLOW in Launay et al. 2020 (TinyDFA)",
        forms=frozenset({"ordinary", "vectorized", "invertible"}),
        trains_hidden=False,
        unit_specific_feedback=False,
        topologies=frozenset({"chain", "residual"}),
    )

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout: they get no credit."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign credit to the readout only."""
        tape = record_forward(self.network, batch)
        tape.assign({})
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [ReadoutOnly]
