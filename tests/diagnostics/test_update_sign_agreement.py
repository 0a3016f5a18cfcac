"""Oracles: shares counted by hand, NumPy's gradients of one example, and the GEVB paper's theorem."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.update_sign_agreement import UpdateSignAgreement, sign_agreement
from benchsuite.networks.criterion import CrossEntropy, SquaredError

from .test_credit_spread import CONV, DENSE, MIXED, NONNEGATIVE, batch_of

SIGNS = UpdateSignAgreement()


@pytest.mark.parametrize(
    ("assigned", "exact", "share"),
    [
        ([1.0, -2.0, 3.0, -4.0], [5.0, -6.0, -7.0, 8.0], 0.5),
        ([1.0, 1.0, 0.0], [1.0, 0.0, 1.0], 0.5),
        ([1.0, -1.0], [1.0, 1e-20], 1.0),
        ([1.0, -1.0], [1.0, 1e-9], 0.5),
        ([1.0], [0.0], None),
        ([math.nan, 1.0], [1.0, 1.0], None),
        ([1.0, 1.0], [math.inf, 1.0], None),
    ],
    ids=["half", "zeros", "rounding has no sign", "small has", "none", "not a number", "infinite"],
)
def test_shares_counted_by_hand(assigned, exact, share):
    """A zero of the rule is not backprop's sign; a zero of backprop's does not count."""
    pair = (torch.tensor(values, dtype=torch.float64) for values in (assigned, exact))
    assert sign_agreement(*pair) == share


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("seed", range(3))
def test_gevb_has_all_signs_right_in_dense_nonnegative_networks(attach, dtype, seed):
    """The theorem, to the last weight; also where batch and single precision leave room for error."""
    layers = [{"kind": "dense", "units": 40}, {"kind": "dense", "units": 30}, {"kind": "dense", "units": 20}]
    rule = attach("gevb", layers, (12,), form=NONNEGATIVE)
    rule.network.to(dtype)
    inputs = torch.randn(16, 12, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
    found = SIGNS.measure(rule, Batch(inputs, torch.arange(16) % 4, CrossEntropy()))
    assert found == {"dense1": 1.0, "dense2": 1.0, "dense3": 1.0, "readout": 1.0}


@pytest.mark.parametrize(
    ("layers", "shape", "form"), [(DENSE, (5,), MIXED), (CONV, (2, 4, 4), NONNEGATIVE)], ids=["mixed", "shared weights"]
)
def test_gevb_has_not_where_signs_are_mixed_or_weights_shared_over_space(attach, layers, shape, form):
    found = SIGNS.measure(attach("gevb", layers, shape, form=form), batch_of(*shape))
    first = next(iter(found))
    assert 0 < found[first] < 1
    assert found["readout"] == 1


def test_feedback_alignment_by_hand(attach):
    """Would catch gradients of the whole batch: their signs are not those of its examples."""
    rule = attach("feedback_alignment", [{"kind": "dense", "units": 7, "activation": "tanh"}])
    inputs = torch.randn(20, 5, generator=torch.Generator().manual_seed(3)).double()
    batch = Batch(inputs, torch.arange(20) % 4, SquaredError())
    (w1, b1), (w2, b2) = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in rule.network.maps.values()]
    shares = []
    for x, target in list(zip(inputs.numpy(), batch.targets, strict=True))[:16]:
        hidden = np.tanh(w1 @ x + b1)
        error = w2 @ hidden + b2 - np.eye(4)[target]
        exact, assigned = (
            np.outer(error @ through * (1 - hidden**2), x) for through in (w2, rule.feedback_weights["readout"].numpy())
        )
        shares.append((np.sign(exact) == np.sign(assigned)).mean())
    found = SIGNS.measure(rule, batch)
    assert found == {"dense1": pytest.approx(np.mean(shares)), "readout": 1.0}
    assert 0 < found["dense1"] < 1


def test_a_segment_without_gradients_is_undefined(attach):
    found = SIGNS.measure(attach("readout_only", DENSE), batch_of(5))
    assert found == {"dense1": None, "dense2": None, "readout": 1.0}


def test_examples_without_a_gradient_are_left_out(attach):
    """Would catch an example whose units are all off counted as disagreement, or a division by nothing."""
    rule = attach("backprop", [{"kind": "dense", "units": 3}])
    rule.network.maps["dense1"].weight.data.fill_(1.0)
    rule.network.maps["dense1"].bias.data.zero_()
    inputs = torch.tensor([[1.0] * 5, [-1.0] * 5], dtype=torch.float64)
    assert SIGNS.measure(rule, Batch(inputs, torch.tensor([0, 1]), CrossEntropy())) == {"dense1": 1.0, "readout": 1.0}
    dead = Batch(inputs[1:], torch.tensor([1]), CrossEntropy())
    assert SIGNS.measure(rule, dead) == {"dense1": None, "readout": None}
