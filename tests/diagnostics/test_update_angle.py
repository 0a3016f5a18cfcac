"""Oracle: NumPy by hand on one hidden layer, and rules whose update is backprop's or stands in a known relation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.update_angle import UpdateAngle
from benchsuite.networks.criterion import SquaredError

UPDATE = UpdateAngle()
LAYERS = [{"kind": "dense", "units": 7, "activation": "tanh", "norm": "batch"}, {"kind": "dense", "units": 6}]
ONE = [{"kind": "dense", "units": 7, "activation": "tanh"}]


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(2)
    return Batch(torch.randn(9, 5, generator=generator).double(), torch.arange(9) % 4, SquaredError())


def numpy_angle(first: list[np.ndarray], second: list[np.ndarray]) -> float:
    one, two = (np.concatenate([a.ravel() for a in arrays]) for arrays in (first, second))
    return float(np.degrees(np.arccos(one @ two / np.linalg.norm(one) / np.linalg.norm(two))))


def by_hand(rule, batch: Batch, through: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the hidden segment's and the readout's (weight, bias) gradients, credit going through a given weight."""
    (w1, b1), (w2, b2) = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in rule.network.maps.values()]
    inputs = batch.inputs.numpy()
    hidden = np.tanh(inputs @ w1.T + b1)
    error = (hidden @ w2.T + b2 - np.eye(4)[batch.targets]) / len(inputs)
    credit = error @ through * (1 - hidden**2)
    return [credit.T @ inputs, credit.sum(0)], [error.T @ hidden, error.sum(0)]


def test_feedback_alignment_by_hand(attach, batch):
    rule = attach("feedback_alignment", ONE)
    exact, readout = by_hand(rule, batch, rule.network.maps["readout"].weight.detach().numpy())
    assigned, _ = by_hand(rule, batch, rule.feedback_weights["readout"].numpy())
    found = UPDATE.measure(rule, batch)
    assert list(found) == ["dense1", "readout", None]
    assert found["dense1"] == pytest.approx(numpy_angle(exact[:1], assigned[:1]))
    assert found["readout"] == pytest.approx(0, abs=1e-5)
    assert found[None] == pytest.approx(numpy_angle(exact + readout, assigned + readout))


def test_what_is_not_trained_counts_as_zero_in_the_whole(attach, batch):
    """A network whose rule moves the readout only is far from backprop, however exact the readout is."""
    rule = attach("readout_only", ONE)
    exact, readout = by_hand(rule, batch, rule.network.maps["readout"].weight.detach().numpy())
    nothing = [np.zeros_like(gradient) for gradient in exact]
    found = UPDATE.measure(rule, batch)
    assert found["dense1"] is None
    assert found[None] == pytest.approx(numpy_angle(exact + readout, nothing + readout))


def test_backprop_is_at_zero_degrees_to_itself(attach, batch):
    found = UPDATE.measure(attach("backprop", LAYERS), batch)
    assert found == dict.fromkeys(("dense1", "dense2", "readout", None), pytest.approx(0, abs=1e-5))


def test_urfb_whose_feedback_is_the_weight_is_backprop(attach, batch):
    rule = attach("updated_random_feedback", LAYERS)
    assert UPDATE.measure(rule, batch)["dense1"] > 1
    for name, feedback_weight in rule.feedback_weights.items():
        feedback_weight.copy_(rule.network.maps[name].weight.detach())
    assert UPDATE.measure(rule, batch)["dense1"] == pytest.approx(0, abs=1e-5)


def test_an_update_against_the_gradient_is_at_180_degrees(attach, batch):
    rule = attach("feedback_alignment", ONE)
    rule.feedback_weights["readout"].copy_(-rule.network.maps["readout"].weight.detach())
    assert UPDATE.measure(rule, batch)["dense1"] == pytest.approx(180, abs=1e-5)


def test_gradients_left_from_a_step_do_not_enter(attach, batch):
    rule = attach("feedback_alignment", ONE)
    found = UPDATE.measure(rule, batch)
    for parameter in rule.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    assert UPDATE.measure(rule, batch) == found


def test_a_gradient_too_short_for_a_direction_is_undefined(attach, batch):
    rule = attach("backprop", ONE)
    rule.network.maps["readout"].weight.data.mul_(1e-9)
    assert UPDATE.measure(rule, batch)["dense1"] is None
