"""SoftHebb: units compete softly for each input and move towards the part of it that they win; no label, no error."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from benchsuite.plugin import (
    Batch,
    CreditWork,
    LinearMap,
    NetworkShapes,
    Rule,
    RuleConfig,
    RuleTraits,
    StepResult,
    hookimpl,
    record_forward,
    tunable,
)

BENCHSUITE_CONTRACT = 2


class SoftHebbConfig(RuleConfig):
    """Form of the competition. The papers tune the temperature for each layer; the defaults are ours."""

    temperature: Annotated[float, tunable()] = Field(default=0.2, gt=0)
    """τ of the softmax over units. Near zero the winner takes all; a large one lets all units learn the same, and the
    network then knows less than an untrained one."""
    anti_hebbian: bool = False
    """Move units that lose away from the input (Journé et al. 2023). Otherwise all move towards it, as in Moraitis et
    al. 2022."""
    centered: bool = True
    """Subtract the batch's mean from what a segment competes for, per input and unit (per channel in a convolution), as
    the norm before each layer does in Journé et al. Otherwise all units follow the mean of uncentered inputs."""


class SoftHebb(Rule[SoftHebbConfig]):
    """Hidden weights move by y·(x - u·w), where y is the softmax of a segment's pre-activations u over its units.

    No label and no error reaches a hidden segment. Each unit drifts to the inputs that it wins, and its weights to a
    length of one. In a convolution all positions compete apart, and changes are means over positions. The readout
    learns from the output error on the same pass.

    The harness has one optimizer, and it descends: the change's negative is left as the gradient, so that plain SGD
    takes the papers' step. Adam takes it at an even pace for all weights, so units that seldom win move as fast as
    others; where they move to is the same. Hidden biases and norms have no change and stay as they are.

    What differs from the papers: activations and norms are the network's own; all segments learn at once, and the
    readout with them, instead of layer by layer; rates are the protocol's, not a function of a weight's length.
    """

    name = "soft_hebb"
    traits = RuleTraits(
        mechanism="own_gradients",
        source="Moraitis, Toichkin, Journé, Chua & Guo 2022, arXiv:2107.05747; Journé, Rodriguez, Guo & Moraitis 2023, "
        "arXiv:2209.11883",
        topologies=frozenset({"chain", "residual"}),
        map_kinds=frozenset({"conv2d", "dense"}),
        min_hidden_segments=1,
        has_credit=False,
    )

    @classmethod
    def credit_work(cls, config: SoftHebbConfig, shapes: NetworkShapes) -> CreditWork:
        """Return no work but memory: a change is one weight gradient; competitors are as many as units."""
        return CreditWork(workspace_numel_per_example=2 * max(segment.units for segment in shapes.segments))

    @property
    def taken_over(self) -> tuple[str, ...]:
        """All segments except the readout."""
        return self.network.hidden

    @property
    def untrained(self) -> frozenset[str]:
        """Hidden biases and norms, for which there is no change."""
        changed = {id(self.network.maps[name].weight) for name in self.network.hidden}
        hidden = self.network.parameter_names(self.network.hidden)
        return frozenset(n for n, p in self.network.named_parameters() if n in hidden and id(p) not in changed)

    def assign_credit(self, batch: Batch) -> StepResult:
        """Set the Hebbian change of each hidden segment, and the readout's gradient."""
        tape = record_forward(self.network, batch, keep_pre_activations=True)
        with torch.no_grad():
            for name in self.network.hidden:
                x, u = (self.network.widen(kept[name]) for kept in (tape.inputs, tape.pre_activations))
                if self.config.centered:
                    x, u = _centered(x, batch), _centered(u, batch)
                own = self.network.maps[name]
                own.accumulate(self._change(own, x, u).neg_(), None)
        tape.assign({})
        return StepResult(tape.loss, tape.logits)

    def _change(self, own: LinearMap, x: Tensor, u: Tensor) -> Tensor:
        """Return the mean of y·(x - u·w) over the batch and all positions, in the weight's shape.

        Args:
            own: the segment's map.
            x: its inputs, shape (batch, inputs, ...).
            u: its outputs, shape (batch, units, ...).

        """
        y = torch.softmax(u / self.config.temperature, dim=1)
        if self.config.anti_hebbian:
            y = torch.where(u >= u.amax(1, keepdim=True), y, -y)
        share = 1 / (len(u) * u[0, 0].numel())
        towards = own.weight_gradient(x, y * share)
        decay = own.bias_gradient(y * u * share)  # (units,)
        return towards - decay.view(-1, *[1] * (towards.dim() - 1)) * own.weight


def _centered(values: Tensor, batch: Batch) -> Tensor:
    """Return values minus their mean over the whole batch and all positions."""
    over = (0, *range(2, values.dim()))
    total, examples = values.sum(over, keepdim=True), len(values)
    if batch.shard:
        total, examples = batch.shard.all_reduce_sum(total), batch.shard.batch_size
    return values - total / (examples * values[0, 0].numel())


@hookimpl
def benchsuite_rules() -> list[type[Rule]]:
    """Return the rule of this module."""
    return [SoftHebb]
