"""Oracles: the NumPy reference of the published algorithms, and the length that normalized GAIT-prop says it keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.diagnostics.target_distance import (
    RelativeTargetDistance,
    TargetDistance,
    mean_length,
    mean_relative_length,
)

from ..properties.chains import deterministic
from ..properties.gait_reference import one_hot_target, softmax_target, target_differences
from ..properties.invertible_chains import CLASSES, SquareCase, square_cases
from ..properties.test_target_rules import RULES

DISTANCE, RELATIVE = TargetDistance(), RelativeTargetDistance()
TARGETS = {"squared_error": one_hot_target, "cross_entropy": softmax_target}
LAYERS = tuple({"kind": "dense", "units": units} for units in (9, 7, 7, 4))


def attached(make, case):
    rule = make()
    rule.attach(case.network(), torch.Generator())
    rule.network.eval()
    rule.eval()
    return rule


@pytest.mark.parametrize("name", sorted(RULES))
@deterministic
@given(case=square_cases(), criterion=st.sampled_from(sorted(TARGETS)))
def test_distances_are_those_of_the_reference(name, case, criterion):
    """Would catch a difference with its scale divided out, that of another segment, auxiliary units that count."""
    make, gamma = RULES[name]
    rule, batch = attached(make, case), case.batch(criterion)
    found, relative = DISTANCE.measure(rule, batch), RELATIVE.measure(rule, batch)
    target = TARGETS[criterion](CLASSES, batch.targets.numpy())
    expected = target_differences(case.counterpart(rule.network), batch.inputs.numpy(), target, gamma)
    assert list(found) == list(relative) == list(rule.network.segments)
    for segment, (output, difference) in zip(found, expected, strict=True):
        lengths, whole = (np.sqrt((a.reshape(len(a), -1) ** 2).sum(1)) for a in (difference, output))
        # What is left of 16 digits when a difference is taken at this distance, through random matrices.
        assert found[segment] == pytest.approx(lengths.mean(), rel=1e-5, abs=1e-12)
        assert relative[segment] == pytest.approx((lengths / whole).mean(), rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("scheme", ["orthogonal", "lecun_normal"])
def test_normalized_gait_prop_puts_targets_at_one_distance_where_nothing_bends_or_stretches(scheme):
    case = SquareCase(LAYERS, (9,), slope=1.0, scheme=scheme)
    make, _ = RULES["normalized l2 per_sample"]
    rule = attached(make, case)
    found = DISTANCE.measure(rule, case.batch("squared_error"))
    at_eta = [found[name] == pytest.approx(rule.config.eta, rel=1e-6) for name in rule.network.hidden]
    assert all(at_eta) == (scheme == "orthogonal")


def test_plain_gait_prop_comes_nearer_by_gamma_in_every_layer_down():
    case = SquareCase(LAYERS, (9,), slope=1.0)
    make, _ = RULES["gait_prop"]
    found = DISTANCE.measure(rule := attached(make, case), case.batch("squared_error"))
    for above, below in zip([*found.values()][1:], found.values(), strict=False):
        assert below == pytest.approx(rule.config.gamma * above, rel=1e-6)


@pytest.mark.parametrize("name", ["backprop", "feedback_alignment", "direct_feedback_alignment"])
def test_rules_without_targets_have_no_distance(attach, name):
    rule = attach(name, [{"kind": "dense", "units": 7}])
    batch = SquareCase((), (5,)).batch()
    assert DISTANCE.measure(rule, batch) == RELATIVE.measure(rule, batch) == {"dense1": None, "readout": None}


def test_lengths_by_hand():
    values, of = torch.tensor([[[3.0, 4.0]], [[0.0, 0.0]]]), torch.tensor([[[0.0, 10.0]], [[2.0, 0.0]]])
    assert mean_length(values) == 2.5
    assert mean_relative_length(values, of) == 0.25
    assert mean_relative_length(of, values) == 2.0, "the second example has nothing to be a multiple of"


def test_what_is_no_number_is_undefined():
    values = torch.tensor([[1.0, math.nan], [1.0, 1.0]])
    assert mean_length(values) is None
    assert mean_relative_length(values, torch.ones(2, 2)) is None
    assert mean_relative_length(torch.ones(2, 2), torch.zeros(2, 2)) is None


def test_measuring_a_matrix_without_inverse_leaves_the_blame_to_training():
    """Else a diagnostic would end a run."""
    case = SquareCase(LAYERS, (9,))
    rule = attached(RULES["target_propagation"][0], case)
    with torch.no_grad():
        rule.network.maps["dense3"].weight[0].zero_()
    assert DISTANCE.measure(rule, case.batch())["dense1"] is None
    rule.after_epoch()
