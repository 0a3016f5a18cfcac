"""Test if the rule itself changes forward weights, which only the optimizer may change."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from benchsuite.conformance.audit.trait_test import MakeRule, TraitTest, largest
from benchsuite.conformance.samples import SampleNetwork, Trial
from benchsuite.networks.network import Network
from benchsuite.records.audit import Observation

STEPS = 3


def observe(make_rule: MakeRule, sample: SampleNetwork) -> Observation:
    """Return the largest change that the rule makes to a parameter, as a multiple of its norm, and when."""
    network = sample.build(Generator().manual_seed(1)).double()
    changes: dict[str, float] = {}

    def note(moment: str, before: dict[str, Tensor]) -> None:
        for name, parameter in network.named_parameters():
            change = float((parameter.detach() - before[name]).norm()) / (float(before[name].norm()) or 1.0)
            place = f"{name} at {moment}"
            changes[place] = max(changes.get(place, 0.0), change)

    before = _copied(network)
    trial = Trial.of(make_rule(), network)
    note("attach and before_training", before)
    for position in range(STEPS):
        before = _copied(network)
        trial.gradients(sample.batch(position, dtype=torch.float64))
        note("assign_credit", before)
        trial.update_weights()
        before = _copied(network)
        trial.rule.after_update()
        note("after_update", before)
    found = largest(sample, changes)
    assert found is not None  # noqa: S101 - a network has parameters
    return found


def _copied(network: Network) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in network.named_parameters()}


CHANGES_FORWARD_WEIGHTS = TraitTest(
    trait="changes_forward_weights",
    measure="largest change that the rule itself makes to a parameter, as a multiple of its norm",
    threshold=0.0,
    above=True,
    weaker=True,
    observe=observe,
)
