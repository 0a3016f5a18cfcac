"""Test if one forward pass is enough: count how often each map is applied beyond it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor

from benchsuite.conformance.audit.trait_test import MakeRule, TraitTest, largest
from benchsuite.conformance.samples import SampleNetwork, Trial
from benchsuite.networks.maps import LinearMap
from benchsuite.networks.network import Network
from benchsuite.records.audit import Observation

STEPS = 3


def observe(make_rule: MakeRule, sample: SampleNetwork) -> Observation:
    """Return the most times, at any moment, that a map was applied besides the one forward pass of a step."""
    network = sample.build(Generator().manual_seed(1)).double()
    surplus: dict[str, float] = {}

    def note(moment: str, calls: Counter[str], due: int) -> None:
        for name in network.maps:
            place = f"{name} at {moment}"
            surplus[place] = max(surplus.get(place, 0), calls[name] - due)

    with counted(network) as calls:
        trial = Trial.of(make_rule(), network)
        note("attach and before_training", calls, due=0)
        for position in range(STEPS):
            batch = sample.batch(position, dtype=torch.float64)
            calls.clear()
            trial.gradients(batch)
            note("assign_credit", calls, due=1)
            trial.update_weights()
            calls.clear()
            trial.rule.after_update()
            note("after_update", calls, due=0)
    found = largest(sample, surplus)
    assert found is not None  # noqa: S101 - a network has a readout
    return found


@contextmanager
def counted(network: Network) -> Iterator[Counter[str]]:
    """Count, by segment name, how often each map is applied within the block, with any input and any weight."""
    calls: Counter[str] = Counter()
    for name, linear_map in network.maps.items():
        linear_map.__dict__["apply_weight"] = _counting(name, linear_map, calls)
    try:
        yield calls
    finally:
        for linear_map in network.maps.values():
            del linear_map.__dict__["apply_weight"]


def _counting(name: str, linear_map: LinearMap, calls: Counter[str]) -> object:
    apply_weight = linear_map.apply_weight

    def apply(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        calls[name] += 1
        return apply_weight(inputs, weight, bias)

    return apply


SEPARATE_PHASE = TraitTest(
    trait="separate_phase",
    measure="forward applications of a map before training, in a step or after it, beside the one of each step",
    threshold=0.0,
    above=True,
    weaker=True,
    observe=observe,
)
