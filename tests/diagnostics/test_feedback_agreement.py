"""Oracle: NumPy on weights written down, and rules whose feedback weights are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.feedback_agreement import EqualSignFraction, FeedbackAngle, FeedbackCorrelation
from benchsuite.networks.criterion import CrossEntropy

ANGLE, CORRELATION, SIGNS = FeedbackAngle(), FeedbackCorrelation(), EqualSignFraction()
LAYERS = [{"kind": "dense", "units": 7}, {"kind": "dense", "units": 6}]
NOTHING = Batch(torch.empty(0, 5), torch.empty(0, dtype=torch.int64), CrossEntropy())

weights = arrays(np.float64, (3, 4), elements=st.floats(-10, 10).map(lambda x: round(x, 3)))


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


@settings(deadline=None)
@given(weights, weights)
def test_angle_and_correlation_are_numpys(first, second):
    assume(first.std() > 1e-2 and second.std() > 1e-2)
    cosine = np.vdot(first, second) / np.linalg.norm(first) / np.linalg.norm(second)
    one, two = torch.from_numpy(first), torch.from_numpy(second)
    assert math.cos(math.radians(ANGLE.compare(one, two))) == pytest.approx(cosine, abs=1e-9)
    expected = np.corrcoef(first.ravel(), second.ravel())[0, 1]
    assert CORRELATION.compare(one, two) == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(weights, weights)
def test_the_share_of_equal_signs_is_counted_where_both_have_one(first, second):
    pairs = [(a, b) for a, b in zip(first.ravel(), second.ravel(), strict=True) if a and b]
    found = SIGNS.compare(torch.from_numpy(first), torch.from_numpy(second))
    assert found == (sum((a > 0) == (b > 0) for a, b in pairs) / len(pairs) if pairs else None)


def test_an_offset_moves_the_angle_and_not_the_correlation():
    """The two are kept apart: an angle called a correlation would pass on weights of mean zero."""
    weight, feedback_weight = tensor(1, -1, 0, 2), tensor(5, 3, 4, 6)
    assert CORRELATION.compare(weight, feedback_weight) == pytest.approx(1)
    assert ANGLE.compare(weight, feedback_weight) == pytest.approx(math.degrees(math.acos(14 / math.sqrt(6 * 86))))


def test_zeros_count_in_the_correlation():
    """URFB's curves include cut connections; without them this one would be 1."""
    weight, feedback_weight = tensor(1, 2, 0, 3), tensor(1, 2, 3, 0)
    assert CORRELATION.compare(weight, feedback_weight) == pytest.approx(-0.8)


@pytest.mark.parametrize("weight", [tensor(0, 0, 0), tensor(1, math.nan, 2), tensor(1, math.inf, 2)])
def test_a_weight_without_direction_is_undefined_and_not_zero(weight):
    other = tensor(1, 2, 4)
    assert ANGLE.compare(weight, other) is None
    assert CORRELATION.compare(other, weight) is None


def test_signs_of_what_is_not_there_or_not_a_number_are_undefined():
    assert SIGNS.compare(tensor(0, 1), tensor(1, 0)) is None
    assert SIGNS.compare(tensor(math.nan, 1), tensor(1, 1)) is None


@pytest.mark.parametrize("level", [0.1, 1 / 3, 1e-8])
def test_equal_entries_correlate_with_nothing(level):
    """Sign-symmetric feedback of weights that are all positive; rounding of the mean must not pass for variation."""
    assert CORRELATION.compare(torch.full((7, 13), level, dtype=torch.float64), torch.rand(7, 13).double()) is None


def test_sign_symmetry_has_every_sign(attach):
    rule = attach("sign_symmetry", LAYERS, magnitude="fixed_random")
    assert SIGNS.measure(rule, NOTHING) == {"dense2": 1.0, "readout": 1.0}
    rule.network.maps["dense2"].weight.data.neg_()
    assert SIGNS.measure(rule, NOTHING) == {"dense2": 0.0, "readout": 1.0}


def test_the_sign_symmetric_angle_is_that_of_a_weight_to_its_signs(attach):
    weight = (rule := attach("sign_symmetry", LAYERS)).network.maps["dense2"].weight.detach().numpy()
    cosine = np.abs(weight).sum() / np.linalg.norm(weight) / math.sqrt(weight.size)
    assert ANGLE.measure(rule, NOTHING)["dense2"] == pytest.approx(math.degrees(math.acos(cosine)))


def test_feedback_equal_to_the_weight_agrees_entirely_and_opposite_not_at_all(attach):
    rule = attach("updated_random_feedback", LAYERS)
    for name, feedback_weight in rule.feedback_weights.items():
        feedback_weight.copy_(rule.network.maps[name].weight.detach())
    for diagnostic, same in ((ANGLE, 0.0), (CORRELATION, 1.0), (SIGNS, 1.0)):
        found = diagnostic.measure(rule, NOTHING)
        assert found == {"dense2": pytest.approx(same, abs=1e-5), "readout": pytest.approx(same, abs=1e-5)}
    rule.feedback_weights["dense2"].neg_()
    assert [d.measure(rule, NOTHING)["dense2"] for d in (ANGLE, CORRELATION, SIGNS)] == pytest.approx([180, -1, 0])


def test_masks_leave_chance_at_a_half(attach):
    """Counting a cut connection as unequal would show 0.125 here."""
    layers = [{"kind": "dense", "units": 200}, {"kind": "dense", "units": 200}]
    rule = attach("updated_random_feedback", layers, connectivity=0.5)
    assert SIGNS.measure(rule, NOTHING)["dense2"] == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("diagnostic", [ANGLE, CORRELATION, SIGNS], ids=lambda d: d.name)
@pytest.mark.parametrize("rule", ["backprop", "direct_feedback_alignment", "readout_only"])
def test_a_rule_without_feedback_weights_of_that_layout_has_no_agreement(attach, diagnostic, rule):
    assert diagnostic.measure(attach(rule, LAYERS), NOTHING) == {"dense2": None, "readout": None}


def test_a_segment_whose_own_weight_is_used_is_undefined_beside_others(attach):
    found = ANGLE.measure(attach("sign_symmetry", LAYERS, exact_readout=True), NOTHING)
    assert found["readout"] is None
    assert found["dense2"] is not None


@pytest.mark.parametrize("kind", ["conv2d", "locally_connected2d"])
def test_any_kind_of_map_is_compared_in_its_own_layout(attach, kind):
    layers = [{"kind": kind, "channels": 3, "kernel": 3}, {"kind": kind, "channels": 2, "kernel": 2}]
    rule = attach("feedback_alignment", layers, input_shape=(2, 6, 6))
    name = tuple(rule.network.maps)[1]
    weight, feedback_weight = rule.network.maps[name].weight.detach(), rule.feedback_weights[name]
    expected = np.corrcoef(weight.numpy().ravel(), feedback_weight.numpy().ravel())[0, 1]
    assert CORRELATION.measure(rule, NOTHING)[name] == pytest.approx(expected, abs=1e-12)
