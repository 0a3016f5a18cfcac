"""Test if credit depends on downstream forward weights by other ways than through activities.

One weight is replaced at a time, once for each segment that passes credit on, while the network responds as before.
This is done at three moments: when the rule attaches and prepares, in ``assign_credit``, and in ``after_update``.
Activities and the output error then equal the reference's. Without weight transport, the updates of all segments below
equal them too. Outside these moments all forward weights are the reference's.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from benchsuite.conformance.audit.equal_response_weights import equal_response_weight, equal_response_weights
from benchsuite.conformance.audit.trait_test import MakeRule, TraitTest, largest, relative_change
from benchsuite.conformance.samples import SampleNetwork, Trial
from benchsuite.credit.batch import Batch
from benchsuite.errors import InconclusiveError
from benchsuite.networks.network import Network
from benchsuite.records.audit import Observation

Moment = Literal["attach", "assign_credit", "after_update"]
MOMENTS: tuple[Moment, ...] = ("attach", "assign_credit", "after_update")
STEPS = 3
"""Training steps per trial. A rule that reads forward weights less often than every third step goes unnoticed."""
_EXAMPLES = 4
_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Step:
    """Result of one step of a trial: the network's state before it, logits, and gradients by parameter."""

    state: dict[str, Tensor]
    logits: Tensor
    gradients: dict[str, Tensor]


@dataclass(frozen=True)
class _Change:
    """The segment whose weight is replaced, and the moment."""

    segment: str
    moment: Moment

    def during(self, moment: Moment, network: Network) -> AbstractContextManager[None]:
        """Return the context in which the weight is replaced, if this is the moment."""
        if moment != self.moment:
            return nullcontext()
        linear_map = network.maps[self.segment]
        return equal_response_weights(linear_map, equal_response_weight(linear_map, seed=5))


def observe(make_rule: MakeRule, sample: SampleNetwork) -> Observation | None:
    """Return the largest change of an upstream update, over all segments that pass credit on and all moments."""
    below = {name: upstream for name, upstream in sample.shapes.upstream.items() if upstream}
    reference = _train(make_rule, sample, None, [])
    changes = {
        f"{name} at {moment}": _change_of_updates(make_rule, sample, _Change(name, moment), upstream, reference)
        for name, upstream in below.items()
        for moment in MOMENTS
    }
    return largest(sample, changes)


def _change_of_updates(
    make_rule: MakeRule, sample: SampleNetwork, change: _Change, upstream: frozenset[str], reference: list[_Step]
) -> float:
    changed = _train(make_rule, sample, change, reference)
    network = sample.build(Generator().manual_seed(1))
    # By identity: a network may name its parameters freely, and modules from outside do.
    above = {id(parameter) for name in upstream for parameter in network.segments[name].parameters()}
    names = frozenset(name for name, parameter in network.named_parameters() if id(parameter) in above)
    own_inference = make_rule().traits.own_inference
    return max(_distance(one, other, names, own_inference) for one, other in zip(reference, changed, strict=True))


def _distance(one: _Step, other: _Step, names: frozenset[str], own_inference: bool) -> float:
    """Return the largest relative change of a gradient of these parameters."""
    if not torch.allclose(one.logits, other.logits, rtol=_ROUNDING, atol=_ROUNDING):
        if own_inference:
            raise InconclusiveError(
                "the rule's own inference uses the weight in another way than by the map's response (backwards, for "
                "instance), so that activities cannot be held while it changes"
            )
        raise InconclusiveError(
            "the logits change with a weight whose responses are held; run forward through the network's own maps "
            "(LinearMap.apply_weight), not through their weights"
        )
    distances = [0.0]
    for name in {**one.gradients, **other.gradients}:
        if name in names:
            here, there = one.gradients.get(name), other.gradients.get(name)
            if here is None or there is None:
                return 1.0
            distances.append(relative_change(float(here.norm()), float(there.norm()), float((here - there).norm())))
    return max(distances)


def _train(make_rule: MakeRule, sample: SampleNetwork, change: _Change | None, reference: list[_Step]) -> list[_Step]:
    """Take the steps of a trial, with one weight changed at one moment; each begins with the reference's weights."""
    network = sample.build(Generator().manual_seed(1)).double()

    def during(moment: Moment) -> AbstractContextManager[None]:
        return nullcontext() if change is None else change.during(moment, network)

    with during("attach"):
        trial = Trial.of(make_rule(), network)
    steps: list[_Step] = []
    for position in range(STEPS):
        if change is not None:
            network.load_state_dict(reference[position].state)
        state = _copy(network.state_dict())
        batch = sample.batch(position, size=_EXAMPLES, dtype=torch.float64)
        with during("assign_credit"):
            logits, gradients = _assign(trial, batch)
        trial.update_weights()
        with during("after_update"):
            trial.rule.after_update()
        steps.append(_Step(state, logits, gradients))
    return steps


def _assign(trial: Trial, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    logits = trial.compute_gradients(batch).logits.clone()
    return logits, {n: p.grad.clone() for n, p in trial.network.named_parameters() if p.grad is not None}


def _copy(state: dict[str, Any]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.items()}


WEIGHT_TRANSPORT = TraitTest(
    trait="weight_transport",
    measure="largest relative change of an upstream update when one downstream weight is another, all activities and "
    "the output error the same",
    threshold=_ROUNDING,
    above=True,
    weaker=True,
    observe=observe,
)
