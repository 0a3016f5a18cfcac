"""Oracles: autograd's gradients, and the moments of normal noise in closed form; noise is drawn a second time here.

In a linear network with the squared error the loss is a quadratic function of all noise. Two-sided differences of it
are its directional derivative, without any error, at any size of the noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator, Tensor

from benchsuite.credit import RandomStream
from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.observe import assigned_credit
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.networks.network import Network
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.node_perturbation import NodePerturbation

from .chains import deterministic

FEEDBACK_SEED = 3
WINDOW = {"channels": 2, "kernel": 3, "padding": 1}
SUM = [
    {"kind": "conv2d", **WINDOW},
    {"kind": "locally_connected2d", **WINDOW},
    {"kind": "sum"},
    {"kind": "average_pool", "size": 2},
    {"kind": "dense", "units": 4},
]
DENSE = [{"kind": "dense", "units": 5}, {"kind": "dense", "units": 3}]
IMAGES = (2, 4, 4)
CASES: dict[str, tuple[list[dict[str, Any]], tuple[int, ...], dict[str, str]]] = {
    "chain": (DENSE, (6,), {}),
    "one unit": ([{"kind": "dense", "units": 1}], (6,), {}),
    "sums": (SUM, IMAGES, {}),
    "vector units": (SUM, IMAGES, {"form": "vectorized"}),
}
cases = pytest.mark.parametrize("case", CASES)


def network_of(
    layers: list[dict[str, Any]], shape: tuple[int, ...], options: Mapping[str, str], activation: str = "identity"
) -> Network:
    defaults = {"activation": activation}
    spec = {"kind": "chain", "name": "drawn", "layers": layers, "defaults": defaults, **options}
    network = build(shapes_of(ChainArchitecture.model_validate(spec), shape, 3), Generator().manual_seed(1)).double()
    network.set_dropout_generator(Generator().manual_seed(2))
    return network


def batch_of(*shape: int, size: int = 4, criterion: str = "squared_error") -> Batch:
    inputs = torch.randn(size, *shape, generator=Generator().manual_seed(4)).double()
    return Batch(inputs, torch.arange(size) % 3, CRITERIA[criterion])


def attached(network: Network, rule_type: type[NodePerturbation] = NodePerturbation, **config: Any) -> NodePerturbation:
    rule = rule_type(NodePerturbation.Config(**config))
    rule.attach(network, Generator().manual_seed(FEEDBACK_SEED))
    return rule


def stream() -> Generator:
    """Return a generator of what the rule will draw."""
    return RandomStream(Generator().manual_seed(FEEDBACK_SEED)).on(torch.device("cpu"))


def exact(network: Network, batch: Batch) -> dict[str, Tensor]:
    """Return autograd's gradient by every segment's output, for each example's own loss."""
    with network.observed() as outputs:
        logits = network(batch.inputs)
    loss = batch.criterion(logits, batch.targets) * len(batch.targets)
    return dict(zip(outputs, torch.autograd.grad(loss, list(outputs.values())), strict=True))


def predicted(gradient: Mapping[str, Tensor], names: tuple[str, ...], generator: Generator) -> dict[str, Tensor]:
    """Return (Σ over segments and units of gradient times noise) times the noise, divided by the batch."""
    noise = {n: torch.randn(gradient[n].shape, generator=generator).double() for n in names}
    slope = sum((gradient[n] * noise[n]).flatten(1).sum(1) for n in names)
    return {n: torch.einsum("b,b...->b...", slope, noise[n]) / len(slope) for n in names}


def assert_credits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], **tolerance: float) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, **({"rtol": 1e-8, "atol": 1e-11} | tolerance))


@cases
@pytest.mark.parametrize("exact_readout", [True, False])
@deterministic
@given(sd=st.floats(1e-2, 10))
def test_in_a_linear_network_two_sided_credit_is_the_slope_along_the_noise(case, exact_readout, sd):
    """Would catch a segment left unshaken, a path counted twice, σ not divided out, and another batch's noise."""
    layers, shape, options = CASES[case]
    network, batch = network_of(layers, shape, options), batch_of(*shape)
    rule = attached(network, standard_deviation=sd, two_sided=True, exact_readout=exact_readout)
    shaken = network.hidden if exact_readout else tuple(network.segments)
    found = assigned_credit(rule, batch, "output")
    assert_credits(found, predicted(exact(network, batch), shaken, stream()))
    assert rule.taken_over == shaken


@cases
def test_the_gradients_are_those_of_the_credit(case):
    """Would catch credit that is observed but not used: the weights' gradients, from autograd with the same credit."""
    layers, shape, options = CASES[case]
    network, batch = network_of(layers, shape, options), batch_of(*shape)
    rule = attached(network, two_sided=True)
    credit = predicted(exact(network, batch), network.hidden, stream())
    rule.assign_credit(batch)
    own = {n: p.grad.clone() for n, p in network.named_parameters()}
    for name, segment in network.segments.items():
        seen: list[Tensor] = []
        handle = segment.register_forward_pre_hook(lambda _m, inputs, seen=seen: seen.append(inputs[0].detach()))
        logits = network(batch.inputs)
        handle.remove()
        names = [n for n, p in network.named_parameters() if any(p is q for q in segment.parameters())]
        weights = [network.get_parameter(n) for n in names]
        if name == network.readout:
            expected = torch.autograd.grad(batch.criterion(logits, batch.targets), weights)
        else:
            expected = torch.autograd.grad(segment(seen[0]), weights, credit[name])
        for parameter, gradient in zip(names, expected, strict=True):
            torch.testing.assert_close(own[parameter], gradient, rtol=1e-8, atol=1e-11)


def test_samples_are_averaged():
    network, batch = network_of(DENSE, (6,), {}), batch_of(6)
    generator, gradient = stream(), exact(network, batch)
    drawn = [predicted(gradient, network.hidden, generator) for _ in range(3)]
    found = assigned_credit(attached(network, two_sided=True, samples=3), batch, "output")
    assert_credits(found, {n: sum(one[n] for one in drawn) / 3 for n in network.hidden})


class _AlongAxes(NodePerturbation):
    """Noise of ±sqrt(N) along one axis after the other: 2N perturbations whose mean of ξ ξᵀ is exactly the identity."""

    def draw_noise(self, shapes, like, generator, batch):
        count = sum(shape[1:].numel() for shape in shapes.values())
        position, self.drawn = divmod(getattr(self, "drawn", 0), 2)[0], getattr(self, "drawn", 0) + 1
        sign = 1 if self.drawn % 2 else -1
        whole = torch.zeros(count, dtype=like.dtype)
        whole[position] = sign * count**0.5
        parts = torch.split(whole, [shape[1:].numel() for shape in shapes.values()])
        return {n: p.view(s[1:]).expand(s).clone() for (n, s), p in zip(shapes.items(), parts, strict=True)}


@cases
@pytest.mark.parametrize("two_sided", [True, False])
@pytest.mark.parametrize("readout", [True, False], ids=["exact readout", "perturbed readout"])
def test_over_noise_of_unit_covariance_the_mean_is_backprops_credit(case, two_sided, readout):
    """The rule's expectation, exactly: one-sided differences too, since opposite noise cancels the curvature."""
    layers, shape, options = CASES[case]
    network, batch = network_of(layers, shape, options), batch_of(*shape)
    gradient = exact(network, batch)
    names = network.hidden if readout else tuple(network.segments)
    count = sum(gradient[n][0].numel() for n in names)
    rule = attached(
        network, _AlongAxes, two_sided=two_sided, standard_deviation=0.7, samples=2 * count, exact_readout=readout
    )
    expected = {n: gradient[n] / len(batch.targets) for n in names}
    assert_credits(assigned_credit(rule, batch, "output"), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("criterion", sorted(CRITERIA))
@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_small_noise_gives_the_slope_in_any_network(activation, criterion):
    """Would catch a loss that is not the batch's, or the mean over the batch in the place of each example's own."""
    network, batch = network_of(DENSE, (6,), {}, activation), batch_of(6, criterion=criterion)
    found = assigned_credit(attached(network, standard_deviation=1e-6), batch, "output")
    expected = predicted(exact(network, batch), network.hidden, stream())
    assert_credits(found, expected, rtol=1e-3, atol=1e-5)


def test_normal_noise_has_the_mean_and_the_variance_of_the_closed_form():
    """E = δ, and unit i's variance is |δ|² + δ_i²: summed over N units, (N + 1) |δ|². One example, 20,000 times."""
    network, one = network_of(DENSE, (6,), {}), batch_of(6, size=1)
    copies = 20_000
    many = Batch(one.inputs.expand(copies, -1), one.targets.expand(copies), one.criterion)
    found = assigned_credit(attached(network, two_sided=True), many, "output")
    gradient = exact(network, one)
    estimates = torch.cat([found[n] * copies for n in network.hidden], dim=1)
    delta = torch.cat([gradient[n][0] for n in network.hidden])
    variance = delta.square().sum() + delta.square()
    assert ((estimates.mean(0) - delta).abs() < 5 * (variance / copies).sqrt()).all()
    torch.testing.assert_close(estimates.var(0), variance, rtol=0.1, atol=0)


def test_curvature_adds_variance_to_one_sided_differences_alone():
    """In a linear network the one-sided credit is off by σ/2 ξᵀHξ ξ, the two-sided by nothing: H from autograd."""
    network, batch = network_of(DENSE, (6,), {}), batch_of(6, size=1)
    noise = {
        n: torch.randn(1, m.weight.shape[0], dtype=torch.float64, generator=g)
        for g in [stream()]
        for n, m in network.maps.items()
        if n != "readout"
    }

    def loss(size: Tensor) -> Tensor:
        values = batch.inputs
        for name, segment in network.segments.items():
            values = segment(values) + (size * noise[name] if name in noise else 0)
        return batch.criterion(values, batch.targets)

    curvature = torch.autograd.functional.hessian(loss, torch.zeros((), dtype=torch.float64))
    assert curvature > 0.1
    one, two = (
        assigned_credit(attached(network, standard_deviation=0.5, two_sided=two_sided), batch, "output")
        for two_sided in (False, True)
    )
    for name in network.hidden:
        torch.testing.assert_close(one[name] - two[name], 0.25 * curvature * noise[name])


def test_dropout_drops_the_same_units_in_all_passes():
    """Would catch masks drawn anew: their effect on the loss, divided by σ, would drown the slope."""
    layers = [DENSE[0], {"kind": "dropout", "probability": 0.5}, DENSE[1], {"kind": "dropout", "probability": 0.5}]
    network, batch = network_of(layers, (6,), {}), batch_of(6)
    gradient = exact(network, batch)
    after_one_pass = network.nodes["dropout_1"].generator.get_state()
    network.set_dropout_generator(Generator().manual_seed(2))
    rule = attached(network, two_sided=True, samples=2)
    generator = stream()
    drawn = [predicted(gradient, network.hidden, generator) for _ in range(2)]
    found = assigned_credit(rule, batch, "output")
    assert_credits(found, {n: (drawn[0][n] + drawn[1][n]) / 2 for n in network.hidden})
    assert torch.equal(network.nodes["dropout_1"].generator.get_state(), after_one_pass)
    first, second = (network(batch.inputs) for _ in range(2))
    assert not torch.equal(first, second)


def test_running_averages_follow_the_clean_pass_alone():
    layers = [{"kind": "dense", "units": 5, "norm": "batch"}, {"kind": "dense", "units": 3, "norm": "batch"}]
    network, twin = (network_of(layers, (6,), {}) for _ in range(2))
    batch = batch_of(6)
    attached(network, two_sided=True, samples=2).assign_credit(batch)
    twin(batch.inputs)
    for (name, own), expected in zip(network.named_buffers(), twin.buffers(), strict=True):
        assert torch.equal(own, expected), name
    assert all(segment.norm is None or segment.norm.track_running_stats for segment in network.segments.values())


@pytest.mark.parametrize("steps_before", [0, 2])
def test_evaluation_shows_the_credit_of_the_next_step_and_draws_nothing(steps_before):
    """Would catch diagnostics that measure a noise no step ever saw, or that shift the noise of the steps after."""
    network, batch = network_of(DENSE, (6,), {}), batch_of(6)
    rule = attached(network)
    for _ in range(steps_before):
        rule.assign_credit(batch)
    before = rule.state_dict()["stream._extra_state"]
    rule.eval()
    seen = [assigned_credit(rule, batch, "output") for _ in range(2)]
    after = rule.state_dict()["stream._extra_state"]
    assert before["seed"] == after["seed"]
    assert (before["state"] is None) == (after["state"] is None) == (steps_before == 0)
    rule.train()
    next_step = assigned_credit(rule, batch, "output")
    for name in network.hidden:
        assert torch.equal(seen[0][name], seen[1][name])
        assert torch.equal(seen[0][name], next_step[name])
        assert not torch.equal(next_step[name], assigned_credit(rule, batch, "output")[name])
