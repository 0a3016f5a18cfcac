"""Oracle: the rule's purpose. Mirror mode turns feedback weights towards the weights, as fast as sampling allows."""

from __future__ import annotations

import math

import pytest
import torch

from benchsuite.testing import SAMPLE_NETWORKS
from benchsuite_rules.weight_mirror import WeightMirror

from .chains import attached, conv_case, dense_case
from .mirrored import Config, angle_deg, mirroring

LARGE = {
    "dense": (dense_case(100, 50, inputs=20, activation="relu"), "dense2", 128),
    "conv": (
        conv_case(
            {"kind": "conv2d", "channels": 8, "kernel": 3, "padding": 1, "activation": "relu"},
            {"kind": "conv2d", "channels": 8, "kernel": 3, "padding": 1, "activation": "relu"},
        ),
        "conv2",
        32,
    ),
    "locally-connected": (
        conv_case(
            {"kind": "locally_connected2d", "channels": 4, "kernel": 3, "activation": "relu"},
            {"kind": "locally_connected2d", "channels": 4, "kernel": 3, "activation": "relu"},
        ),
        "local2",
        32,
    ),
}


@pytest.mark.parametrize("control", ["decay", "scaling"])
@pytest.mark.parametrize(("case", "name", "batch"), LARGE.values(), ids=LARGE)
def test_mirror_mode_turns_feedback_to_within_ten_degrees_of_the_weights(case, name, batch, control):
    """From a random start, in 500 batches; the start is forgotten to 0.99^500 = 0.7 %.

    Scaling forgets as B grows, so it grows at three times the rate. Biases are blocked: those drawn here differ so much
    that the units' mean slopes do (eq. 9 assumes they do not).
    """
    rate = 0.01 if control == "decay" else 0.03
    config = Config(norm_control=control, mirror_rate=rate, mirror_batch_size=batch, bias_blocking=True)
    rule = attached(WeightMirror(config), case.network())
    assert angle_deg(rule, name) > 75
    for _ in range(500):
        rule.mirror()
    assert angle_deg(rule, name) < 10


def test_an_average_over_twice_the_samples_is_half_as_far_off():
    """The squared tangent goes with 1 / samples, c · fan_in / n with c = 2 (1/2 - 1/2π) · 2 = 1.36 for a rectifier."""
    case = dense_case(200, 100, inputs=10, activation="relu")
    for batch in (200, 800):
        rule = mirroring(case, norm_control="none", mirror_batch_size=batch, bias_blocking=True)
        for _ in range(20):
            rule.mirror()
        off = math.tan(math.radians(angle_deg(rule, "dense2"))) ** 2
        assert off == pytest.approx(4 * (1 / 2 - 1 / (2 * math.pi)) * 200 / (20 * batch), rel=0.1)


def test_mirror_mode_works_in_a_network_of_maps_it_never_heard_of():
    sample = next(s for s in SAMPLE_NETWORKS if s.name == "unheard-of-map")
    network = sample.build(torch.Generator().manual_seed(1)).double()
    assert any(type(m).__module__.startswith("benchsuite.conformance.samples") for m in network.maps.values())
    rule = attached(WeightMirror(), network)
    for _ in range(600):
        rule.mirror()
    for name in network.credit_senders:
        assert angle_deg(rule, name) < 10, name


@pytest.mark.parametrize("mode", ["bypass", "batch_statistics"])
@pytest.mark.parametrize("order", ["norm_first", "activation_first"])
def test_batch_norm_keeps_its_averages_and_feedback_finds_the_weights(mode, order):
    case = conv_case(
        {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1},
        {"kind": "conv2d", "channels": 6, "kernel": 3, "padding": 1, "norm": "batch", "norm_order": order},
    )
    often = {"initial_mirror_steps": 250, "mirror_rate": 0.02, "decay": 0.02, "mirror_batch_size": 32}
    config = Config(batch_norm=mode, bias_blocking=True, **often)
    rule = attached(WeightMirror(config), case.network())
    norm = rule.network.segments["conv2"].norm
    with torch.no_grad():
        norm.weight.abs_()
    before = {name: buffer.clone() for name, buffer in norm.named_buffers()}
    rule.before_training()
    rule.after_update()
    assert all(torch.equal(buffer, before[name]) for name, buffer in norm.named_buffers())
    # The norm's gains, of a spread of 0.3, turn what is mirrored by statistics.
    assert angle_deg(rule, "conv2") < (10 if mode == "bypass" else 35)
