"""Oracle: everything there is before a measurement is there after it, bit for bit, for every diagnostic and rule."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

from benchsuite.conformance.kit.guards import GlobalState
from benchsuite.conformance.samples.networks import SampleNetwork
from benchsuite.conformance.samples.trial import Trial, differing
from benchsuite.diagnostics.cluster_quality import ClusterQualityOfAuthors
from benchsuite.diagnostics.conditioning import ConditionNumber, OrthogonalityDeviation
from benchsuite.diagnostics.contract import Diagnostic
from benchsuite.diagnostics.credit_angle import CreditAngle, PreActivationCreditAngle
from benchsuite.diagnostics.credit_spread import CreditSpreadRatio
from benchsuite.diagnostics.feedback_agreement import EqualSignFraction, FeedbackAngle, FeedbackCorrelation
from benchsuite.diagnostics.filter_similarity import FilterCorrelation
from benchsuite.diagnostics.one_step_credit_angle import OneStepCreditAngle
from benchsuite.diagnostics.reference_share import ReferenceExampleFraction, ReferenceUnitFraction
from benchsuite.diagnostics.scale import ActivationNorm, CreditNorm, WeightNorm
from benchsuite.diagnostics.target_distance import RelativeTargetDistance, TargetDistance
from benchsuite.diagnostics.update_angle import UpdateAngle
from benchsuite.diagnostics.update_sign_agreement import UpdateSignAgreement
from benchsuite.diagnostics.weight_signs import PositiveWeightFraction
from benchsuite.registry.manager import installed_registry
from benchsuite.testing import SAMPLE_NETWORKS

from ..applicable import covering_pairs, possible_pairs
from ..small_runs import SHORT_LOOPS

DIAGNOSTICS = (
    CreditAngle,
    PreActivationCreditAngle,
    OneStepCreditAngle,
    UpdateAngle,
    FeedbackAngle,
    FeedbackCorrelation,
    EqualSignFraction,
    CreditSpreadRatio,
    UpdateSignAgreement,
    TargetDistance,
    RelativeTargetDistance,
    OrthogonalityDeviation,
    ConditionNumber,
    FilterCorrelation,
    PositiveWeightFraction,
    ActivationNorm,
    CreditNorm,
    WeightNorm,
    ReferenceExampleFraction,
    ReferenceUnitFraction,
)
"""Without cluster quality, whose t-SNE takes too long for so many cases; of the network it asks one forward pass."""
UNDEFINED_FOR_BACKPROP = (
    "feedback",
    "equal",
    "credit_spread",
    "target",
    "relative_target",
    "orthogonality",
    "condition",
    "filter",
)
"""Beginnings of the names of diagnostics that have no number for backprop in an ordinary network."""
NOT_OF_CREDIT = {
    PositiveWeightFraction,
    ActivationNorm,
    CreditNorm,
    WeightNorm,
    ReferenceExampleFraction,
    ReferenceUnitFraction,
}
"""Diagnostics that compare no rule with backprop: no number of theirs is exact for it."""
RULES = installed_registry().rules
SAMPLES = {sample.name: sample for sample in SAMPLE_NETWORKS}
SHAPES = {name: sample.shapes for name, sample in SAMPLES.items()}


def started(rule_name: str, sample: SampleNetwork) -> Trial:
    rule_type = RULES[rule_name]
    rule = rule_type(rule_type.Config.model_validate(SHORT_LOOPS.get(rule_name, {})))
    trial = Trial.start(rule, sample)
    trial.step(sample.batch(0))
    trial.network.eval()
    rule.eval()
    return trial


def everything(trial: Trial) -> dict[str, object]:
    """Return state, gradients (on feedback weights too, and which tensor holds them) and running averages."""
    holders = [*trial.network.named_parameters(), *trial.rule.named_buffers()]
    found = trial.state()
    for name, tensor in holders:
        gradient = tensor.grad
        found[f"gradient of {name}"] = None if gradient is None else gradient.clone()
        found[f"identity of the gradient of {name}"] = id(gradient)
    found["credit observer"] = trial.network.credit_observer
    return found


def measured_cases() -> list[Any]:
    """Return all pairs of a rule and a network with the gradients of a step, and every fourth without as well."""
    pairs = covering_pairs(SHAPES)
    default = [pair.values for pair in pairs if not pair.marks]
    without = [
        pytest.param(*pair.values, False, id=f"{pair.id}-without gradients", marks=pair.marks or pytest.mark.full)
        if pair.marks or default.index(pair.values) % 4
        else pytest.param(*pair.values, False, id=f"{pair.id}-without gradients")
        for pair in pairs
    ]
    return [*(pytest.param(*pair.values, True, id=pair.id, marks=pair.marks) for pair in pairs), *without]


@pytest.mark.parametrize(("rule_name", "sample_name", "with_gradients"), measured_cases())
def test_measuring_leaves_everything_as_it_was_and_repeats_itself(rule_name, sample_name, with_gradients):
    """``with gradients``: those of the last step, which share a tensor where feedback learns."""
    sample = SAMPLES[sample_name]
    trial = started(rule_name, sample)
    if not with_gradients:
        trial.optimizer.zero_grad(set_to_none=True)
    batch = sample.batch(1)
    seen_once = (ClusterQualityOfAuthors,) if sample.name == "conv-norm-dropout" and rule_name == "backprop" else ()
    diagnostics = (*DIAGNOSTICS, *seen_once)

    def changed(*measured: type[Diagnostic]) -> tuple[list[str], list[dict[str, float | None]]]:
        before, surroundings = everything(trial), GlobalState(trial.network, batch)
        values = [each().measure(trial.rule, batch) for each in measured]
        return [*differing(before, everything(trial)), *surroundings.changes()], values

    # All at once: to compare everything after each takes longer than the measurements.
    changes, first = changed(*diagnostics)
    assert not changes, [each.name for each in diagnostics if changed(each)[0]]
    assert all(value is None or math.isfinite(value) for values in first for value in values.values())
    for diagnostic, values in zip(diagnostics, first, strict=True):
        assert diagnostic().measure(trial.rule, batch) == values, diagnostic.name


FROZEN = [("dense1",), ("dense2",), ("dense1", "dense2"), ("dense1.map.weight",)]
OPTIONS = [{}, {"norm": "batch"}, {"activation": "softplus"}]


def frozen_cases() -> list[tuple[str, dict[str, str], tuple[str, ...]]]:
    """Return two cases per rule; over all rules, every part is frozen in networks with every option."""
    combined = list(itertools.product(OPTIONS, FROZEN))
    names = [rule for rule, _ in possible_pairs({"dense": SHAPES["dense"]})]
    chosen = itertools.cycle(combined[::2] + combined[1::2])
    cases = [(name, *next(chosen)) for name in names for _ in range(2)]
    return [
        (name, {} if "norm" in options and not RULES[name].traits.norms else options, part)
        for name, options, part in cases
    ]


@pytest.mark.parametrize(("rule_name", "options", "frozen"), frozen_cases(), ids=str)
def test_frozen_parameters_are_no_obstacle(attach, rule_name, frozen, options):
    layers = [{"kind": "dense", "units": 7, **options}, {"kind": "dense", "units": 6, **options}]
    rule = attach(rule_name, layers, (20,), frozen=tuple(f"nodes.{name}" for name in frozen))
    batch = SAMPLES["dense"].batch(0, dtype=torch.float64)
    for diagnostic in DIAGNOSTICS:
        found = diagnostic().measure(rule, batch)
        if diagnostic is UpdateAngle:
            whole = [name for name in frozen if "." not in name]
            assert all(found[name] is None for name in whole)
            if rule.traits.readout_update_is_backprop:
                assert found["readout"] == pytest.approx(0, abs=1e-4)
    assert all(p.grad is None for p in rule.network.parameters())


@pytest.mark.parametrize("diagnostic", [d for d in DIAGNOSTICS if d not in NOT_OF_CREDIT], ids=lambda d: d.name)
def test_backprop_is_exact_under_every_diagnostic_of_credit(attach, diagnostic: type[Diagnostic]):
    rule = attach("backprop", [{"kind": "dense", "units": 7}, {"kind": "dense", "units": 6}], (20,))
    found = diagnostic().measure(rule, SAMPLES["dense"].batch(0, dtype=torch.float64))
    undefined = diagnostic.name.startswith(UNDEFINED_FOR_BACKPROP)
    exact = 1 if diagnostic is UpdateSignAgreement else 0
    expected = None if undefined else pytest.approx(exact, abs=1e-4)
    assert all(value == expected for value in found.values())
