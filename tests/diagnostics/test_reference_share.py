"""Oracle: gradients written down, and networks in which some units or examples are dead by construction."""

from __future__ import annotations

import math

import pytest
import torch

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.angles import LEAST_NORM
from benchsuite.diagnostics.credit_angle import CreditAngle
from benchsuite.diagnostics.observe import backprop_credit
from benchsuite.diagnostics.reference_share import (
    ReferenceExampleFraction,
    ReferenceUnitFraction,
    example_share,
    unit_share,
)
from benchsuite.networks.criterion import CrossEntropy

DENSE = [{"kind": "dense", "units": 8}, {"kind": "dense", "units": 8}]
BATCH = Batch(
    torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)),
    torch.tensor([0, 1, 2, 3, 0, 1]),
    CrossEntropy(),
)


def test_examples_are_counted_at_the_threshold_of_the_angles():
    """Catches a threshold that forgets that gradients are divided by the batch size."""
    norms = torch.tensor([2.0, 1.01, 0.99, 0.0], dtype=torch.float64) * LEAST_NORM
    gradient = torch.zeros(4, 3, dtype=torch.float64)
    gradient[:, 1] = norms / 4
    assert example_share(gradient) == 0.5
    assert example_share(torch.cat([gradient[:3], torch.full((1, 3), math.nan)])) == 0.5


@pytest.mark.parametrize("width", [4, 400])
def test_units_that_share_the_least_norm_equally_are_at_the_threshold_of_units_at_any_width(width):
    """Catches a threshold per unit that no unit of a wide segment reaches although every example is usable."""
    equal = torch.full((10, width), LEAST_NORM / math.sqrt(width) / 10, dtype=torch.float64)
    assert unit_share(equal * 1.01) == 1
    assert unit_share(equal * 0.99) == 0
    half = equal * 1.01
    half[:, : width // 2] = 0
    assert unit_share(half) == 0.5


def test_a_channel_is_one_unit_whatever_its_size():
    """Catches positions counted as units: a channel that sees something in one corner would be mostly dead."""
    gradient = torch.zeros(2, 4, 5, 5, dtype=torch.float64)
    gradient[0, 1, 2, 2] = 1
    assert unit_share(gradient) == 0.25


def test_rectified_units_that_are_silent_for_all_examples_are_no_reference(attach):
    """Catches a share at the output, before the derivative, where dead units still have a gradient."""
    rule = attach("backprop", DENSE)
    with torch.no_grad():
        rule.network.maps["dense2"].bias[:6] = -1e3
        rule.network.maps["dense2"].bias[6:] = 1
    assert ReferenceUnitFraction().measure(rule, BATCH)["dense2"] == 0.25
    gradient = backprop_credit(rule.network, BATCH, "output")["dense2"]
    assert unit_share(gradient) == 1


def test_in_a_dead_network_nothing_is_usable_and_its_angles_are_undefined(attach):
    """Catches a network in which feedback alignment has failed silently (arXiv:2606.21126)."""
    rule = attach("feedback_alignment", DENSE)
    with torch.no_grad():
        rule.network.maps["dense2"].bias.fill_(-1e3)
    assert ReferenceExampleFraction().measure(rule, BATCH) == {"dense1": 0, "dense2": 1}
    assert ReferenceUnitFraction().measure(rule, BATCH) == {"dense1": 0, "dense2": 0}
    assert CreditAngle().measure(rule, BATCH)["dense1"] is None


def test_examples_that_are_learned_are_no_reference(attach):
    """Catches a share that stays 1 where the loss has no gradient left, and all angles with it."""
    rule = attach("backprop", DENSE)
    with torch.no_grad():
        rule.network.maps["readout"].bias.copy_(torch.tensor([100.0, 0, 0, 0]))
    found = ReferenceExampleFraction().measure(rule, BATCH)
    assert found == {"dense1": pytest.approx(4 / 6), "dense2": pytest.approx(4 / 6)}


@pytest.mark.parametrize("form", ["ordinary", "vectorized", "invertible"])
def test_a_network_at_its_start_is_a_reference_in_every_form(attach, form):
    activation = {"ordinary": "relu", "vectorized": "vector_gate", "invertible": "leaky_relu"}[form]
    options = {"activation": activation}
    layers = [{"kind": "dense", "units": units, **options} for units in (12, 10)]
    rule = attach("backprop", layers, (12,), form={"form": form})
    inputs = torch.randn(16, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    batch = Batch(inputs, torch.arange(16) % 4, CrossEntropy())
    assert set(ReferenceExampleFraction().measure(rule, batch).values()) == {1.0}
    assert all(share is not None and share > 0.5 for share in ReferenceUnitFraction().measure(rule, batch).values())


def test_channels_of_vector_units_are_units_too(attach):
    """Catches a convolution of vector units whose every position counts as one."""
    layers = [{"kind": "conv2d", "channels": 4, "kernel": 3, "activation": "vector_gate"}]
    rule = attach("backprop", layers, (1, 6, 6), form={"form": "vectorized"})
    inputs = torch.randn(4, 1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = ReferenceUnitFraction().measure(rule, Batch(inputs, torch.arange(4), CrossEntropy()))
    (share,) = found.values()
    assert share is not None
    assert share * 4 == int(share * 4)
