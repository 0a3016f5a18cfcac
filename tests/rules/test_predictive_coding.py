"""Oracles: the equilibrium of a linear network in closed form, backprop, and the local gradient written out."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from benchsuite.conformance.samples import Trial
from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.predictive_coding import PredictiveCoding

UNITS = (5, 4)


def trial_of(activation: str = "identity", **config: object) -> Trial:
    """Return the rule in a dense network of two hidden segments without biases, in float64."""
    layers = [{"kind": "dense", "units": units} for units in UNITS]
    defaults = {"activation": activation, "bias": False}
    spec = {"kind": "chain", "name": "drawn", "layers": layers, "defaults": defaults, "readout": {"bias": False}}
    network = build(shapes_of(ChainArchitecture.model_validate(spec), (6,), 3), Generator().manual_seed(1)).double()
    return Trial.of(PredictiveCoding(PredictiveCoding.Config.model_validate(config)), network)


def batch() -> Batch:
    generator = Generator().manual_seed(2)
    inputs = torch.randn(7, 6, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.randint(3, (7,), generator=generator), CRITERIA["squared_error"])


def equilibrium_gradients(weights: list[Tensor], inputs: Tensor, target: Tensor) -> list[Tensor]:
    """Return the weights' gradients at the energy's minimum in the states, from the normal equations.

    The energy is 1/2 |x1 - W1 x|² + 1/2 |x2 - W2 x1|² + 1/2 |W3 x2 - y|², quadratic in (x1, x2).
    """
    first, second, third = weights
    one, two = (torch.eye(units, dtype=inputs.dtype) for units in UNITS)
    matrix = torch.cat(
        [torch.cat([one + second.t() @ second, -second.t()], 1), torch.cat([-second, two + third.t() @ third], 1)]
    )
    right = torch.cat([inputs @ first.t(), target @ third], 1)  # (batch, units of both)
    states = torch.linalg.solve(matrix, right.t()).t()
    x1, x2 = states.split(UNITS, 1)
    errors = (inputs @ first.t() - x1, x1 @ second.t() - x2, x2 @ third.t() - target)
    return [error.t() @ below / len(inputs) for error, below in zip(errors, (inputs, x1, x2), strict=True)]


def gradients(trial: Trial, given: Batch) -> list[Tensor]:
    found = trial.gradients(given)
    return [found[name] for name, _ in trial.network.named_parameters()]


def test_many_steps_reach_the_equilibrium_of_a_linear_network_by_states_and_by_errors():
    """Catches an energy with a wrong factor, a state that does not move, or gradients taken elsewhere."""
    given = batch()
    target = torch.nn.functional.one_hot(given.targets, 3).double()
    for variables in ("states", "errors"):
        trial = trial_of(variables=variables, steps=300, inference_rate=0.3)
        weights = [weight.detach() for weight in trial.network.parameters()]
        expected = equilibrium_gradients(weights, given.inputs, target)
        for own, exact in zip(gradients(trial, given), expected, strict=True):
            torch.testing.assert_close(own, exact, rtol=1e-8, atol=1e-10)


def test_one_step_of_errors_is_backprop_times_the_rate_in_hidden_segments():
    """Catches an ePC that is not the one of the paper, whose first step is backprop (to first order in the rate)."""
    rate = 1e-6
    trial = trial_of("tanh", variables="errors", steps=1, inference_rate=rate)
    exact = list(trial.backprop_gradients(batch()).values())
    *hidden, readout = gradients(trial, batch())
    for own, true in zip(hidden, exact, strict=False):
        torch.testing.assert_close(own / rate, true, rtol=1e-4, atol=1e-8)
    torch.testing.assert_close(readout, exact[-1], rtol=1e-4, atol=1e-8)


def test_states_need_as_many_steps_as_there_are_segments_for_credit_to_reach_the_first():
    """Catches credit that jumps over segments: a state moves by its own and the next segment's error only."""
    for steps, reached in ((1, [False, True]), (2, [True, True])):
        first, second, _ = gradients(trial_of("tanh", steps=steps), batch())
        assert [bool(gradient.any()) for gradient in (first, second)] == reached


def test_incremental_gradients_are_the_mean_over_all_steps():
    each = [gradients(trial_of("tanh", steps=steps), batch()) for steps in (1, 2, 3)]
    mean = [torch.stack(of_steps).mean(0) for of_steps in zip(*each, strict=True)]
    for own, expected in zip(gradients(trial_of("tanh", steps=3, incremental=True), batch()), mean, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-12)
