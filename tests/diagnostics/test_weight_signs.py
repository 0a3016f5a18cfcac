"""Oracle: weights written down."""

from __future__ import annotations

import pytest
import torch

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.weight_signs import PositiveWeightFraction
from benchsuite.networks.criterion import CrossEntropy

NOTHING = Batch(torch.empty(0, 3), torch.empty(0, dtype=torch.int64), CrossEntropy())


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 2, -3, 0], 2 / 3), ([0, 0, 0, 0], None), ([1, float("nan"), 0, 0], None), ([-1, -2, -3, -4], 0.0)],
)
def test_zeros_do_not_count_and_what_is_no_number_has_no_sign(attach, weights, expected):
    """Catches clamped weights, which are zero, taken for negative ones, and a NaN taken for one."""
    rule = attach("backprop", [{"kind": "dense", "units": 2}], (2,))
    with torch.no_grad():
        rule.network.maps["dense1"].weight.copy_(torch.tensor(weights, dtype=torch.float64).view(2, 2))
    assert PositiveWeightFraction().measure(rule, NOTHING)["dense1"] == (
        expected if expected is None else pytest.approx(expected)
    )
