"""Test if segments before the readout are trained at all."""

from __future__ import annotations

import torch

from benchsuite.conformance.audit.trait_test import MakeRule, TraitTest, largest
from benchsuite.conformance.samples import SampleNetwork, Trial
from benchsuite.records.audit import Observation


def observe(make_rule: MakeRule, sample: SampleNetwork) -> Observation | None:
    """Return the largest gradient norm of any hidden segment's parameter; zero if none gets a gradient."""
    trial = Trial.start(make_rule(), sample, dtype=torch.float64)
    norms = dict.fromkeys(trial.network.hidden, 0.0)
    for name, gradient in trial.gradients(sample.batch(0, dtype=torch.float64)).items():
        segment = trial.segment_of(name)
        if segment in norms:
            norms[segment] = max(norms[segment], float(gradient.norm()))
    return largest(sample, norms)


TRAINS_HIDDEN = TraitTest(
    trait="trains_hidden",
    measure="norm of the longest gradient in a hidden segment",
    threshold=0.0,
    above=True,
    weaker=None,
    observe=observe,
)
