"""GEVB: in a network of vector units, the output error itself is the credit of every unit."""

from __future__ import annotations

from benchsuite.plugin import Batch, Rule, RuleTraits, StepResult, hookimpl, record_forward

BENCHSUITE_CONTRACT = 1


class GlobalErrorVectorBroadcasting(Rule):
    """Broadcast the output error vector to all vector units: a credit of one everywhere, times the error.

    A weight changes by the unit's gate times the product of presynaptic activity and error. In dense networks whose
    weights are nonnegative, except in segments that read the input, each example's update has the gradient's sign in
    every entry. At the readout it equals the gradient.
    """

    name = "gevb"
    traits = RuleTraits(
        mechanism="direct_local_credit",
        source="Clark, Abbott & Chung 2021, arXiv:2106.07453; conv and locally connected: its appendix H",
        forms=frozenset({"vectorized"}),
        topologies=frozenset({"chain", "residual"}),
        unit_specific_feedback=False,
    )

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    def assign_credit(self, batch: Batch) -> StepResult:
        """Assign a credit of one to every unit, without pooling factors or downstream weights."""
        tape = record_forward(self.network, batch)
        units = {name: tape.outputs[name][:, 0] for name in self.network.hidden}
        tape.assign({name: unit.new_ones(()).expand(unit.shape) for name, unit in units.items()})
        return StepResult(tape.loss, tape.logits)


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [GlobalErrorVectorBroadcasting]
