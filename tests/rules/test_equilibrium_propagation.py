"""Oracles: the papers' equations for one hidden layer, written out with matrices; autograd at equilibrium."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from benchsuite.credit.batch import Batch
from benchsuite.networks import Network
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.equilibrium_propagation import EquilibriumPropagation

INPUTS, UNITS, CLASSES, EXAMPLES = 6, 5, 3, 4
STEPS = 150


def _network(activation: str, *units: int) -> Network:
    layers = [{"kind": "dense", "units": count, "activation": activation} for count in units]
    spec = {"kind": "chain", "name": "small", "layers": layers}
    network = build(shapes_of(ChainArchitecture.model_validate(spec), (INPUTS,), CLASSES), Generator().manual_seed(1))
    with torch.no_grad():
        for seed, parameter in enumerate(network.parameters()):
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=Generator().manual_seed(seed)))
    return network.double()


def _batch() -> Batch:
    inputs = torch.randn(EXAMPLES, INPUTS, generator=Generator().manual_seed(9)).double()
    return Batch(inputs, torch.tensor([0, 2, 1, 1]), CRITERIA["squared_error"])


def _gradients(network: Network, batch: Batch, **config: object) -> list[torch.Tensor]:
    rule = EquilibriumPropagation(EquilibriumPropagation.Config.model_validate(config))
    rule.attach(network, Generator().manual_seed(2))
    network.zero_grad(set_to_none=True)
    rule.assign_credit(batch)
    return [parameter.grad.clone() for parameter in network.parameters()]


@pytest.mark.parametrize("centered", [True, False])
def test_the_gradient_is_the_contrast_of_two_phases_written_out(centered):
    """Catches a coupling that is not transposed on the way down, a nudge of the wrong sign, a phase begun anew."""
    network, batch, beta = _network("hard_sigmoid", UNITS), _batch(), 0.4
    w, b, v, c = (parameter.detach() for parameter in network.parameters())
    label = torch.nn.functional.one_hot(batch.targets, CLASSES).double()

    def run(h, y, steps, nudge):
        for _ in range(steps):
            h, y = (batch.inputs @ w.t() + b + y @ v).clamp(0, 1), h @ v.t() + c + nudge * (label - y)
        return h, y

    free = run(torch.zeros(EXAMPLES, UNITS).double(), torch.zeros(EXAMPLES, CLASSES).double(), 7, 0.0)
    plus, minus = run(*free, 3, beta), run(*free, 3, -beta) if centered else free
    share = 1 / ((2 if centered else 1) * beta * EXAMPLES)
    expected = [
        -share * (plus[0].t() @ batch.inputs - minus[0].t() @ batch.inputs),
        -share * (plus[0] - minus[0]).sum(0),
        -share * (plus[1].t() @ plus[0] - minus[1].t() @ minus[0]),
        -share * (plus[1] - minus[1]).sum(0),
    ]
    found = _gradients(network, batch, free_steps=7, nudged_steps=3, nudge=beta, centered=centered)
    assert all(torch.allclose(one, other, rtol=1e-11, atol=1e-14) for one, other in zip(found, expected, strict=True))


def _gradients_at_equilibrium(network: Network, batch: Batch) -> tuple[torch.Tensor, ...]:
    """Return dℓ/dθ at the fixed point of a network with two hidden layers: autograd through steps until it stands."""
    w1, b1, w2, b2, w3, b3 = parameters = [p.detach().requires_grad_() for p in network.parameters()]
    h, k, y = (torch.zeros(EXAMPLES, count, dtype=torch.float64) for count in (UNITS, 4, CLASSES))
    for _ in range(STEPS):
        h, k, y = (
            torch.tanh(batch.inputs @ w1.t() + b1 + k @ w2),
            torch.tanh(h @ w2.t() + b2 + y @ w3),
            k @ w3.t() + b3,
        )
    label = torch.nn.functional.one_hot(batch.targets, CLASSES).double()
    return torch.autograd.grad(0.5 * (y - label).square().sum() / EXAMPLES, parameters)


def test_the_centered_estimate_tends_to_the_gradient_at_the_free_equilibrium_with_an_error_of_the_nudges_square():
    """Catches a bias that stays, such as a factor of two in the nudge, and an estimate that is not symmetric."""
    network, batch = _network("tanh", UNITS, 4), _batch()
    exact = torch.cat([each.flatten() for each in _gradients_at_equilibrium(network, batch)])

    def error(**config):
        found = _gradients(network, batch, free_steps=STEPS, nudged_steps=STEPS, **config)
        return float((torch.cat([each.flatten() for each in found]) - exact).norm() / exact.norm())

    coarse, fine = error(nudge=0.1), error(nudge=0.05)
    assert fine < 1e-2
    assert coarse / fine == pytest.approx(4, rel=0.1)
    assert error(nudge=0.1, centered=False) / error(nudge=0.05, centered=False) == pytest.approx(2, rel=0.25)


def test_it_predicts_with_the_fixed_point():
    """Catches a prediction by the forward pass, in which nothing comes down."""
    network, batch = _network("hard_sigmoid", UNITS), _batch()
    rule = EquilibriumPropagation(EquilibriumPropagation.Config(free_steps=STEPS))
    rule.attach(network, Generator().manual_seed(2))
    found = rule.predict(batch.inputs)
    w, b, v, c = (parameter.detach() for parameter in network.parameters())
    hidden = (batch.inputs @ w.t() + b + found @ v).clamp(0, 1)
    assert torch.allclose(found, hidden @ v.t() + c, atol=1e-12)
