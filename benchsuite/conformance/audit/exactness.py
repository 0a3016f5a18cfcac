"""Test if updates equal backprop's exactly, in hidden segments and at the readout."""

from __future__ import annotations

import torch

from benchsuite.conformance.audit.trait_test import MakeRule, TraitTest, largest
from benchsuite.conformance.samples import SampleNetwork, Trial, agreement_with_backprop
from benchsuite.records.audit import Observation

_ROUNDING = 1e-9


def _deviations(make_rule: MakeRule, sample: SampleNetwork) -> list[tuple[str, float]]:
    """Return each segment's deviation in forward order; the last is the readout's."""
    trial = Trial.start(make_rule(), sample, dtype=torch.float64).without_dropout()
    compared = agreement_with_backprop(trial, sample.batch(0, dtype=torch.float64))
    return [(name, agreement.deviation) for name, agreement in compared.items()]


def observe_hidden(make_rule: MakeRule, sample: SampleNetwork) -> Observation | None:
    """Return the largest deviation of a hidden segment's update."""
    return largest(sample, dict(_deviations(make_rule, sample)[:-1]))


def observe_readout(make_rule: MakeRule, sample: SampleNetwork) -> Observation | None:
    """Return the deviation of the readout's update."""
    return largest(sample, dict(_deviations(make_rule, sample)[-1:]))


_MEASURE = "norm of the difference between the update and backprop's as a multiple of the latter's"

HIDDEN_UPDATE_IS_BACKPROP = TraitTest(
    trait="hidden_update_is_backprop",
    measure=f"{_MEASURE}, hidden segments",
    threshold=_ROUNDING,
    above=False,
    weaker=False,
    observe=observe_hidden,
)
READOUT_UPDATE_IS_BACKPROP = TraitTest(
    trait="readout_update_is_backprop",
    measure=f"{_MEASURE}, at the readout",
    threshold=_ROUNDING,
    above=False,
    weaker=False,
    observe=observe_readout,
)
