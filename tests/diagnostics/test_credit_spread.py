"""Oracles: NumPy by hand, the angle to a vector of ones, and the moments of the rectified normal distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.credit_angle import CreditAngle
from benchsuite.diagnostics.credit_spread import CreditSpreadRatio, mean_spread_ratio
from benchsuite.networks.criterion import CrossEntropy

SPREAD = CreditSpreadRatio()
NONNEGATIVE = {
    "form": "vectorized",
    "weight_sign": "nonnegative",
    "defaults": {"activation": "vector_gate", "initialization": {"scheme": "he_normal", "on_off": "channels"}},
    "readout": {"initialization": {"scheme": "he_normal", "on_off": "channels"}},
}
MIXED = {"form": "vectorized", "defaults": {"activation": "vector_gate"}}
DENSE = [{"kind": "dense", "units": 40}, {"kind": "dense", "units": 30}]
CONV = [
    {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
    {"kind": "average_pool", "size": 2},
    {"kind": "dense", "units": 6},
]


def batch_of(*shape: int, size: int = 5) -> Batch:
    inputs = torch.randn(size, *shape, generator=torch.Generator().manual_seed(2)).double()
    return Batch(inputs, torch.arange(size) % 4, CrossEntropy())


def test_the_ratio_by_hand():
    """Means 2 and 4, standard deviations over all units (not over one fewer) 1 and sqrt(6): ratios, then their mean."""
    credit = torch.tensor([[1.0, 3.0, 1.0, 3.0], [2.0, 2.0, 4.0, 8.0]])
    assert mean_spread_ratio(credit) == pytest.approx((0.5 + math.sqrt(6) / 4) / 2)


def test_equal_credit_has_no_spread():
    assert mean_spread_ratio(torch.full((3, 2, 2), 0.7)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("second", "ratio"),
    [([0.0, 0.0], 0.5), ([math.nan, 1.0], 0.5), ([math.inf, 1.0], 0.5), ([-1.0, 1.0], None), ([-3.0, 1.0], None)],
)
def test_examples_without_credit_are_left_out_and_a_mean_below_zero_is_undefined(second, ratio):
    found = mean_spread_ratio(torch.tensor([[1.0, 3.0], second]))
    assert found == (None if ratio is None else pytest.approx(ratio))
    assert mean_spread_ratio(torch.zeros(2, 3)) is None


@pytest.mark.parametrize(("layers", "shape"), [(DENSE, (5,)), (CONV, (2, 4, 4))], ids=["dense", "conv"])
def test_its_arctangent_is_the_angle_of_gevbs_credit(attach, layers, shape):
    """Of each example: the GEVB paper's eqs 23 and 24. The angle is measured from the credit the rule gives."""
    rule, batch = attach("gevb", layers, shape, form=NONNEGATIVE), batch_of(*shape)
    ratios = []
    for i in range(len(batch.targets)):
        one = Batch(batch.inputs[i : i + 1], batch.targets[i : i + 1], batch.criterion)
        ratio, angle = SPREAD.measure(rule, one), CreditAngle().measure(rule, one)
        assert list(ratio) == list(rule.network.hidden)
        assert all(math.degrees(math.atan(ratio[n])) == pytest.approx(angle[n], abs=1e-4) for n in ratio)
        ratios.append(list(ratio.values()))
    assert list(SPREAD.measure(rule, batch).values()) == pytest.approx(np.mean(ratios, axis=0))


@pytest.mark.parametrize("rule_name", ["gevb", "backprop", "feedback_alignment"])
def test_it_is_that_of_exact_credit_whatever_the_rule(attach, rule_name):
    """By hand: gates from the forward pass, δ̂ = 1 at the readout, W^T (gate δ̂) below."""
    rule, batch = attach(rule_name, DENSE, form=NONNEGATIVE), batch_of(5)
    w1, w2, w3 = (m.weight.detach().numpy() for m in rule.network.maps.values())
    b1, b2 = (rule.network.maps[n].bias.detach().numpy() for n in rule.network.hidden)
    t1, t2 = (rule.network.segments[n].gating_vectors.numpy() for n in rule.network.hidden)
    hidden = np.einsum("kuj,bj->bku", w1.reshape(4, 40, 5), batch.inputs.numpy()) + b1.reshape(4, 40)
    hidden = hidden * (np.einsum("uk,bku->bu", t1, hidden) >= 0)[:, None]
    on = np.einsum("uk,bku->bu", t2, np.einsum("uj,bkj->bku", w2, hidden) + b2) >= 0
    last = np.tile(w3[0], (5, 1))
    first = (last * on) @ w2
    expected = {"dense1": (first.std(1) / first.mean(1)).mean(), "dense2": (last.std(1) / last.mean(1)).mean()}
    assert SPREAD.measure(rule, batch) == pytest.approx(expected)


def test_rectified_normal_weights_of_the_readout_spread_by_the_root_of_pi_minus_one(attach):
    """The moments of max(N(0, 1), 0): 1.4634, the 55.65 degrees that the paper's networks start at."""
    found = SPREAD.measure(attach("gevb", [{"kind": "dense", "units": 40_000}], form=NONNEGATIVE), batch_of(5, size=1))
    assert found["dense1"] == pytest.approx(math.sqrt(math.pi - 1), rel=0.02)


def test_networks_of_other_units_have_none(attach):
    ordinary = attach("backprop", [{"kind": "dense", "units": 8}])
    assert SPREAD.measure(ordinary, batch_of(5)) == {"dense1": None}


def test_means_of_both_signs_have_none(attach):
    rule = attach("gevb", DENSE, form=MIXED)
    rule.network.maps["readout"].weight.data.abs_().neg_()
    assert SPREAD.measure(rule, batch_of(5, size=40)) == {"dense1": None, "dense2": None}
