"""Oracle: over an orthonormal set of directions, the derivatives times the directions add up to the gradient."""

from __future__ import annotations

import pytest
import torch

from benchsuite.testing import SAMPLE_NETWORKS, Trial
from benchsuite_rules.forward_gradient import ForwardGradient

from .two_hidden import batch_at, plain, started

UNITS = {"dense1": 16, "dense2": 12}


def _along(trial, batch, direction):
    """Return the gradients of a step whose direction is given by name of parameter or segment."""
    trial.rule.draw_weights = lambda weight, generator: direction[id(weight)].clone()
    trial.rule.draw_activities = lambda name, values, generator, given: direction[name].clone()
    return trial.gradients(batch)


def test_directions_in_all_weights_add_up_to_the_gradient():
    """Catches a derivative that leaves out a path or a bias, and a loss that is not the mean over the batch."""
    trial, batch = started(ForwardGradient(ForwardGradient.Config(perturb="weights"))), batch_at()
    exact = trial.backprop_gradients(batch)
    parameters = dict(trial.network.named_parameters())
    numel = sum(p.numel() for p in parameters.values())
    basis, _ = torch.linalg.qr(
        torch.randn(numel, numel, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    )
    flat = torch.cat([exact[name].flatten() for name in parameters])
    for column in (0, numel // 2, numel - 1):
        pieces = torch.split(basis[:, column], [p.numel() for p in parameters.values()])
        direction = {id(p): piece.view_as(p) for p, piece in zip(parameters.values(), pieces, strict=True)}
        found = _along(trial, batch, direction)
        found = torch.cat([found[name].flatten() for name in parameters])
        # One term of the sum over the basis, which is the gradient: its projection on this direction.
        torch.testing.assert_close(found, (flat @ basis[:, column]) * basis[:, column], rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("network", ["conv", "locally-connected", "residual", "unheard-of-map"])
def test_the_derivative_along_a_direction_is_autograds_in_any_network(network):
    """Catches a layer that loses a derivative: a custom Function's, a flattening's, a pool's."""
    sample = next(each for each in SAMPLE_NETWORKS if each.name == network)
    rule = ForwardGradient(ForwardGradient.Config(perturb="weights"))
    trial, batch = Trial.start(rule, sample, dtype=torch.float64), sample.batch(0, dtype=torch.float64)
    exact, generator = trial.backprop_gradients(batch), torch.Generator().manual_seed(0)
    parameters = dict(trial.network.named_parameters())
    direction = {id(p): torch.randn(p.shape, generator=generator).double() for p in parameters.values()}
    slope = sum((exact[name] * direction[id(p)]).sum() for name, p in parameters.items())
    found = _along(trial, batch, direction)
    for name, p in parameters.items():
        torch.testing.assert_close(found[name], slope * direction[id(p)], rtol=1e-9, atol=1e-12)


def test_directions_in_pre_activations_add_up_to_each_layers_gradient():
    """Catches noise after the nonlinearity, derivatives that mix examples, and a batch that is divided twice."""
    trial, batch = started(ForwardGradient()), batch_at()
    seen = plain(trial, batch.inputs, batch.targets)
    n = len(batch.targets)
    total = {}
    for unit in range(28):
        direction = {name: torch.zeros(n, units).double() for name, units in UNITS.items()}
        (direction["dense1"] if unit < 16 else direction["dense2"])[:, unit % 16] = 1.0
        for name, gradient in _along(trial, batch, direction).items():
            total[name] = total.get(name, 0) + gradient
    to_second = (seen.error / n) @ seen.weights[2] * (1 - seen.second**2)
    to_first = to_second @ seen.weights[1] * (seen.first > 0)
    torch.testing.assert_close(total["nodes.dense2.map.weight"], to_second.T @ seen.first, rtol=1e-9, atol=1e-13)
    torch.testing.assert_close(total["nodes.dense1.map.weight"], to_first.T @ batch.inputs, rtol=1e-9, atol=1e-13)
    torch.testing.assert_close(total["nodes.dense1.map.bias"], to_first.sum(0), rtol=1e-9, atol=1e-13)
    readout = total["nodes.readout.map.weight"] / 28
    torch.testing.assert_close(readout, (seen.error / n).T @ seen.second, rtol=1e-9, atol=1e-13)


def test_several_directions_are_averaged():
    """Catches a sum in place of a mean: the learning rate would depend on the number of directions."""
    for perturb in ("weights", "activities"):
        once, thrice = (
            started(ForwardGradient(ForwardGradient.Config(perturb=perturb, samples=samples))) for samples in (1, 3)
        )
        generator = torch.Generator().manual_seed(0)
        drawn = {name: torch.randn(12, units, generator=generator).double() for name, units in UNITS.items()}
        for one, other in zip(once.network.parameters(), thrice.network.parameters(), strict=True):
            drawn[id(one)] = drawn[id(other)] = torch.randn(one.shape, generator=generator).double()
        expected = _along(once, batch_at(), drawn)
        for name, gradient in _along(thrice, batch_at(), drawn).items():
            torch.testing.assert_close(gradient, expected[name], rtol=1e-10, atol=1e-13)
