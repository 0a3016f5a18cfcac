"""Oracle: norms worked out by hand, and autograd's gradient of the mean loss."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.scale import ActivationNorm, CreditNorm, WeightNorm, mean_example_norm
from benchsuite.networks.criterion import CrossEntropy

DENSE = [{"kind": "dense", "units": 2}, {"kind": "dense", "units": 3}]
INPUTS = torch.tensor([[3.0, 4.0], [0.0, 0.0]], dtype=torch.float64)
BATCH = Batch(INPUTS, torch.tensor([0, 1]), CrossEntropy())


def test_norms_are_of_examples_and_not_of_the_batch(attach):
    """Catches a norm over the whole batch, which grows with its size, and one per unit, which falls with the width."""
    rule = attach("backprop", DENSE, (2,))
    with torch.no_grad():
        rule.network.maps["dense1"].weight.copy_(torch.eye(2))
        rule.network.maps["dense1"].bias.zero_()
    assert ActivationNorm().measure(rule, BATCH)["dense1"] == pytest.approx((5 + 0) / 2)
    assert WeightNorm().measure(rule, BATCH)["dense1"] == pytest.approx(2**0.5)


def test_credit_is_that_of_one_examples_loss(attach):
    """Catches credit that shrinks as the batch grows: its threshold for angles would mean something else."""
    rule = attach("backprop", DENSE, (2,))
    norms = CreditNorm().measure(rule, BATCH)
    with rule.network.observed() as outputs:
        logits = rule.network(INPUTS)
    loss = F.cross_entropy(logits, BATCH.targets, reduction="sum")
    expected = torch.autograd.grad(loss, [outputs["dense1"], outputs["readout"]])
    for name, gradient in zip(("dense1", "readout"), expected, strict=True):
        assert norms[name] == pytest.approx(float(gradient.norm(dim=1).mean()))


def test_a_rule_without_credit_below_the_readout_has_no_norm_there(attach):
    """Catches a zero where there is nothing: zero would count as credit that has vanished."""
    norms = CreditNorm().measure(attach("readout_only", DENSE, (2,)), BATCH)
    assert norms["dense1"] is None
    assert norms["dense2"] is None
    assert norms["readout"] is not None


def test_credit_of_vector_units_has_the_size_of_the_gradient(attach):
    """Catches the number per unit in its place, which does not fall when the error does."""
    rule = attach(
        "backprop", [{"kind": "dense", "units": 4, "activation": "vector_gate"}], (2,), form={"form": "vectorized"}
    )
    norms = CreditNorm().measure(rule, BATCH)
    with rule.network.observed() as outputs:
        logits = rule.network(INPUTS)
    loss = F.cross_entropy(logits, BATCH.targets, reduction="sum")
    (expected,) = torch.autograd.grad(loss, [outputs["dense1"]])
    assert norms["dense1"] == pytest.approx(float(expected.flatten(1).norm(dim=1).mean()))


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_has_exploded_has_no_norm(attach, broken):
    """Catches a NaN in a record, which no JSON has, and which is above no threshold."""
    rule = attach("backprop", DENSE, (2,))
    with torch.no_grad():
        rule.network.maps["dense2"].weight[0, 0] = broken
        rule.network.maps["dense1"].weight.copy_(torch.eye(2))
    assert WeightNorm().measure(rule, BATCH)["dense2"] is None
    assert ActivationNorm().measure(rule, BATCH)["dense2"] is None
    assert ActivationNorm().measure(rule, BATCH)["dense1"] is not None
    assert mean_example_norm(torch.zeros(0, 3)) is None
