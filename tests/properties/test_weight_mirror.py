"""Oracles: expectations in closed form (Stein's lemma), and the growth that the authors' code shows on paper.

In float64. Sampling errors are stated where they are allowed for; streams are seeded, so nothing is a matter of luck.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchsuite_rules.weight_mirror import WeightMirror

from .chains import assert_near, attached, conv_case, conv_chains, dense_case, dense_chains, deterministic, local_chains
from .mirrored import Config, angle_deg, coefficient, feedback, mirroring, weight

LINEAR = {
    "dense": dense_case(30, 20, activation="identity", inputs=9),
    "conv": conv_case(
        {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1, "activation": "identity"},
        {
            "kind": "conv2d",
            "channels": 6,
            "kernel": 3,
            "stride": 2,
            "padding": 2,
            "groups": 2,
            "activation": "identity",
        },
    ),
    "locally-connected": conv_case(
        {"kind": "conv2d", "channels": 3, "kernel": 3, "activation": "identity"},
        {
            "kind": "locally_connected2d",
            "channels": 5,
            "kernel": 3,
            "padding": 1,
            "stride": 2,
            "activation": "identity",
        },
    ),
}
every_map = pytest.mark.parametrize("case", LINEAR.values(), ids=LINEAR)


# --- what B grows by --------------------------------------------------------------------------------------------------


@every_map
@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_a_linear_segments_feedback_grows_by_rate_times_variance_times_weight(case, noise):
    """Entry by entry, within five standard errors. Padding, strides and groups must not bias a border weight."""
    samples, rate, sd = 40_000 if case is LINEAR["conv"] else 25_000, 0.3, 0.7
    rule = mirroring(
        case,
        noise=noise,
        noise_standard_deviation=sd,
        mirror_rate=rate,
        mirror_batch_size=samples,
        norm_control="none",
        center_response=False,
        bias_blocking=True,
    )
    rule.mirror()
    for name, b in feedback(rule).items():
        # A locally connected weight that sees nothing but padding makes no products and never grows.
        expected = rate * sd**2 * weight(rule, name) * (products(rule, name, 1) > 0)
        # Var(x y) <= σ⁴ (|W_j|² + 2 max W²) for one product; products at other places of a sample only add to them.
        largest = max(float(filters.square().sum()) for filters in rows(weight(rule, name)))
        allowed = 5 * rate * sd**2 * (3 * largest / samples) ** 0.5
        assert (b - expected).abs().max() < allowed, name
        assert allowed < 0.2 * expected.abs().max(), "the test could not see a wrong factor"


def products(rule, name, samples):
    """Count by autograd: the derivative of the summed output for inputs of one by each weight."""
    segment = next(s for s in rule.network.shapes.segments if s.name == name)
    ones = torch.ones(samples, *segment.input_shape, dtype=torch.float64)
    probe = torch.zeros_like(weight(rule, name), requires_grad=True)
    return torch.autograd.grad(rule.network.maps[name].apply_weight(ones, probe).sum(), probe)[0]


def rows(weights):
    return weights.flatten(0, -2) if weights.dim() == 3 else weights.flatten(1)


@every_map
def test_the_sum_is_the_mean_times_the_number_of_products(case):
    """A kernel's corner sees padding at the border, so it makes fewer products than the kernel's middle."""
    rules = [
        mirroring(case, reduction=reduction, norm_control="none", mirror_batch_size=3) for reduction in ("mean", "sum")
    ]
    for rule in rules:
        rule.mirror()
    for name, mean in feedback(rules[0]).items():
        assert_near(feedback(rules[1])[name], mean * products(rules[0], name, 3), what=name)


@deterministic
@given(
    case=st.one_of(dense_chains(norms=True), conv_chains(), local_chains()),
    reduction=st.sampled_from(["sum", "mean"]),
    control=st.sampled_from(["none", "decay", "scaling"]),
)
def test_any_chains_feedback_stays_finite_and_of_its_weights_shape(case, reduction, control):
    case = replace(case, dtype=torch.float64)
    rule = attached(
        WeightMirror(Config(reduction=reduction, norm_control=control, mirror_batch_size=4)), case.network()
    )
    for _ in range(3):
        rule.mirror()
    for name, b in feedback(rule).items():
        assert b.shape == weight(rule, name).shape
        assert b.isfinite().all()


@pytest.mark.parametrize(
    ("activation", "slope"),
    [("relu", 0.5), ("leaky_relu", 0.505), ("identity", 1.0), ("tanh", None), ("sigmoid", None)],
)
def test_a_nonlinear_segments_feedback_is_the_mean_slope_times_each_units_weights(activation, slope):
    """Stein: E[x φ(w·x)] = σ² E[φ'(w·x)] w, exactly, for normal noise of any size. E[φ'] by 200-point quadrature."""
    case = dense_case(12, 8, activation=activation, inputs=5)
    rule = mirroring(case, norm_control="none", mirror_rate=1.0, mirror_batch_size=400_000, bias_blocking=True)
    rule.mirror()
    w, b = weight(rule, "dense2"), feedback(rule)["dense2"]
    for own, found in zip(w, b, strict=True):
        expected = slope if slope is not None else _mean_slope(activation, float(own.norm()))
        assert (found - expected * own).abs().max() < 5 * float(own.norm()) * (3 / 400_000) ** 0.5
        assert float(found @ own / (own @ own)) == pytest.approx(expected, abs=0.01)


def _mean_slope(activation, spread):
    h = torch.linspace(-8 * spread, 8 * spread, 20_001, dtype=torch.float64)
    density = torch.exp(-0.5 * (h / spread) ** 2) / (spread * math.sqrt(2 * math.pi))
    slope = 1 - torch.tanh(h) ** 2 if activation == "tanh" else torch.sigmoid(h) * (1 - torch.sigmoid(h))
    return float(torch.trapezoid(slope * density, h))


def test_without_bias_blocking_a_rectifier_far_below_zero_mirrors_nothing():
    """Would catch a bias left out, and one left in under bias blocking."""
    found = {}
    for blocking in (False, True):
        rule = mirroring(dense_case(9, 8, activation="relu"), bias_blocking=blocking, norm_control="none")
        with torch.no_grad():
            rule.network.maps["dense2"].bias.fill_(-1e3)
            rule.network.maps["readout"].bias.fill_(-1e3)
        rule.mirror()
        found[blocking] = feedback(rule)
    assert not found[False]["dense2"].any()
    assert found[True]["dense2"].any()
    # A constant is nothing but noise of its own, and centring takes it away.
    assert_near(found[False]["readout"], found[True]["readout"])


def test_centring_takes_away_what_a_mean_response_adds():
    """A sigmoid's mean response of 1/2 is most of the variance; Var(x y) falls from 1/4 to what the weights make."""
    errors = {}
    for centred in (False, True):
        case = dense_case(40, 30, activation="sigmoid")
        rule = mirroring(case, center_response=centred, norm_control="none", noise_standard_deviation=0.3)
        rule.mirror()
        b, w = feedback(rule)["dense2"], weight(rule, "dense2")
        errors[centred] = float((b / coefficient(rule, "dense2") - w).norm() / w.norm())
    assert errors[True] < errors[False] / 3


def test_a_sigmoid_readout_is_the_readouts_alone():
    logits, sigmoid = (mirroring(dense_case(9, 8), readout_response=kind) for kind in ("logits", "sigmoid"))
    for rule in (logits, sigmoid):
        for _ in range(400):
            rule.mirror()
    assert_near(feedback(logits)["dense2"], feedback(sigmoid)["dense2"])
    assert coefficient(logits, "readout") == pytest.approx(1 - 0.99**400, abs=0.03)
    assert 0.15 < coefficient(sigmoid, "readout") < 0.25


@pytest.mark.parametrize("order", ["norm_first", "activation_first"])
def test_batch_statistics_are_the_noises_own(order):
    """Oracle: the segment's own forward pass in training mode, whose running averages are put back."""
    case = dense_case(9, 8, norm="batch", norm_order=order, activation="tanh")
    segment = case.network().segments["dense2"]
    noise = torch.randn(50, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found = segment.probe(noise, norm="batch_statistics")
        assert_near(found, segment(noise))
        bypassed = segment.probe(noise, with_bias=False)
        assert_near(bypassed, torch.tanh(noise @ segment.map.weight.T))


# --- norm control -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [1e-3, 1.0, 1e3])
def test_scaling_holds_the_size_that_was_drawn_at_any_rate(rate):
    rule = attached(WeightMirror(Config(norm_control="scaling", mirror_rate=rate)), dense_case(90, 80).network())
    drawn = {name: float(b.norm()) for name, b in feedback(rule).items()}
    for _ in range(20):
        rule.mirror()
    for name, b in feedback(rule).items():
        linear_map = rule.network.maps[name]
        glorot = (2 / (linear_map.fan_in + linear_map.fan_out)) ** 0.5
        assert float(b.norm()) == pytest.approx(glorot * b.numel() ** 0.5)
        assert float(b.norm()) == pytest.approx(drawn[name], rel=0.1)


def test_decay_settles_at_the_mean_slope_times_the_weight():
    """η_B σ² / λ is one by default; a rectifier's mean slope is one half, the readout's one."""
    case = dense_case(40, 30, activation="relu")
    rule = attached(WeightMirror(Config(bias_blocking=True)), case.network())
    for _ in range(1_000):
        rule.mirror()
    assert coefficient(rule, "dense2") == pytest.approx(0.5, abs=0.03)
    assert coefficient(rule, "readout") == pytest.approx(1.0, abs=0.03)


def test_decay_acts_once_a_mirror_batch_and_before_the_growth():
    case = dense_case(9, 8)
    plain, decaying = (
        attached(WeightMirror(Config(norm_control=control, mirror_steps=1, mirror_rate=0.5)), case.network())
        for control in ("none", "decay")
    )
    before = {name: b.clone() for name, b in feedback(plain).items()}
    for rule in (plain, decaying):
        rule.after_update()
    for name, b in feedback(plain).items():
        assert_near(feedback(decaying)[name], b - 0.01 * before[name], what=name)


# --- presets ----------------------------------------------------------------------------------------------------------


def test_the_authors_preset_grows_as_their_code_does():
    """FACTS on makrout: W's coefficient in B grows by 2.67e-4 a batch; after 468 batches |B| / |W| = 1.66 (784 to 500)
    and 1.27 (500 to 10), at 85.7 and 84.6 degrees.

    In closed form: 0.01 · 128 · 0.05²/3 · 1/4 = 2.67e-4. The mean response of 1/2 adds one random number a presynaptic
    unit, of variance 468 · 0.01² · 128 · (0.05²/3) / 4, the same for all units of the layer: that is all the sampling
    error there is to |B| / |W|, two standard errors of which are 0.05 and 0.03.
    """
    widths = {"dense2": (784, 500), "dense3": (500, 10)}
    case = dense_case(784, 500, 10, inputs=3, classes=2, activation="sigmoid")
    network = replace(case, dtype=torch.float32).network()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, (inputs, units) in widths.items():
            for parameter in network.maps[name].parameters():
                parameter.normal_(0, (inputs + units) ** -0.5, generator=generator)
    rule = attached(WeightMirror(Config(preset="authors")), network)
    start = {name: (coefficient(rule, name), float(feedback(rule)[name].norm())) for name in widths}
    rule.before_training()
    for (name, (inputs, units)), ratio, angle in zip(widths.items(), (1.66, 1.27), (85.7, 84.6), strict=True):
        before, size = start[name]
        assert size == pytest.approx((inputs * units / (inputs + units)) ** 0.5, rel=0.03)
        assert (coefficient(rule, name) - before) / 468 == pytest.approx(2.67e-4, rel=0.05 if units > 10 else 0.25)
        found = float(feedback(rule)[name].norm() / weight(rule, name).norm())
        injected = 468 * 0.01**2 * 128 * (0.05**2 / 3) / 4 * (inputs + units)
        assert found == pytest.approx((1 + injected + 0.125**2) ** 0.5, abs=0.06)
        assert found == pytest.approx(ratio, abs=0.09)
        assert angle_deg(rule, name) == pytest.approx(angle, abs=1.0 if units > 10 else 2.5)


# --- when -------------------------------------------------------------------------------------------------------------


def test_each_engaged_step_is_followed_by_its_mirror_batches_and_each_has_noise_of_its_own():
    rule = mirroring(dense_case(9, 8), mirror_steps=3, initial_mirror_steps=2, norm_control="none")
    by_hand = mirroring(dense_case(9, 8), norm_control="none")
    drawn = []
    for batches, act in ((2, rule.before_training), (3, rule.after_update)):
        act()
        for _ in range(batches):
            before = {name: b.clone() for name, b in feedback(by_hand).items()}
            by_hand.mirror()
            drawn.append({name: b - before[name] for name, b in feedback(by_hand).items()})
        for name, b in feedback(rule).items():
            assert torch.equal(b, feedback(by_hand)[name])
    assert all(not torch.allclose(one["dense2"], other["dense2"]) for one, other in pairwise(drawn))


def test_only_feedback_that_is_used_is_mirrored(monkeypatch):
    """The first segment passes no credit on: mirroring it would cost the most and change nothing."""
    rule = mirroring(dense_case(9, 8))
    mirrored = []
    for name, linear_map in rule.network.maps.items():
        own = linear_map.weight_gradient
        monkeypatch.setattr(
            linear_map, "weight_gradient", lambda *given, own=own, name=name: (mirrored.append(name), own(*given))[1]
        )
    rule.mirror()
    assert mirrored == ["dense2", "readout"] == list(rule.network.credit_senders)
