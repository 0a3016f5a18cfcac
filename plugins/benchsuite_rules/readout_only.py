"""Readout only: the control in which hidden segments stay as they were drawn."""

from __future__ import annotations

from benchsuite.credit import record_forward
from benchsuite.credit.rule import Batch, Rule, RuleTraits, StepResult
from benchsuite.registry import hookimpl

BENCHSUITE_CONTRACT = 1


class ReadoutOnly(Rule):
    """Only the readout learns, on random features: what any rule for hidden segments has to beat."""

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
        """All segments but the readout: they get no credit."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Give credit to the readout alone."""
        tape = record_forward(self.network, batch)
        tape.assign({})
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the one rule of this module."""
    return [ReadoutOnly]
