"""Oracles: the GEVB paper's theorems and closed forms, its authors' numbers, NumPy's linear algebra.

Angles are between the credit of exact backprop, one number a unit at the gate's output, and the same number everywhere:
that is how far GEVB is from the gradient (the paper's section 4).
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator

from benchsuite.credit import propagated_credit, record_forward
from benchsuite.credit.batch import Batch
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.gevb import GlobalErrorVectorBroadcasting

from .chains import as_array, assert_near, attached, deterministic
from .vector_chains import vector_dense_cases, vector_image_cases

PAIRS = {"scheme": "he_normal", "on_off": "channels"}
RECTIFIED = math.sqrt(math.pi - 1)
"""Standard deviation over mean of [w]+ for normal w."""


def _network(layers, input_shape, classes=10, seed=0, **chain):
    spec = {
        "kind": "chain",
        "name": "asked",
        "form": "vectorized",
        "layers": layers,
        "defaults": {"activation": "vector_gate", "initialization": PAIRS},
        **chain,
    }
    plan = shapes_of(ChainArchitecture.model_validate(spec), input_shape, classes)
    return build(plan, Generator().manual_seed(seed)).double()


def _dense(*units, inputs, seed=0, weight_sign="nonnegative", **chain):
    layers = [{"kind": "dense", "units": n} for n in units]
    return _network(layers, (inputs,), seed=seed, weight_sign=weight_sign, **chain)


def _batch(network, size, seed=0):
    generator = Generator().manual_seed(seed)
    inputs = torch.randn(size, *network.shapes.input_shape, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.arange(size) % network.classes, CRITERIA["cross_entropy"])


def _gradients(rule, network, batch):
    network.zero_grad(set_to_none=True)
    attached(rule, network).assign_credit(batch)
    return {name: as_array(p.grad) for name, p in network.named_parameters()}


def _angles(network, batch):
    """Return by segment the mean per-example angle to the all-ones vector, in degrees."""
    credit = propagated_credit(record_forward(network, batch), {})
    flat = {name: as_array(c).reshape(len(c), -1) for name, c in credit.items() if name != network.readout}
    return {n: np.degrees(np.arccos(_cosine_with_ones(c))).mean() for n, c in flat.items()}


def _cosine_with_ones(credit):
    return np.clip(credit.sum(1) / np.linalg.norm(credit, axis=1) / math.sqrt(credit.shape[1]), -1, 1)


# --- the rule and the gradient ----------------------------------------------------------------------------------------


@deterministic
@given(case=vector_dense_cases(nonnegative=True, batch=1, hidden=1))
def test_each_examples_update_has_the_gradients_sign_wherever_there_is_a_gradient(case):
    """Would catch a gate or an error of the wrong sign: the paper's theorem, for one example in a dense network."""
    network, batch = case.network(), case.data()
    own = _gradients(GlobalErrorVectorBroadcasting(), network, batch)
    exact = _gradients(Backprop(), network, batch)
    for name, gradient in exact.items():
        if gradient is not None:
            there = np.abs(gradient) > 1e-12 * np.abs(gradient).max(initial=1e-300)
            np.testing.assert_array_equal(np.sign(own[name][there]), np.sign(gradient[there]), err_msg=name)
    assert any(gradient is not None and gradient.any() for gradient in exact.values())


def test_signs_may_differ_in_networks_of_mixed_sign():
    """Would catch a sign test above that cannot fail."""
    network = _dense(8, 8, inputs=5, weight_sign="mixed", defaults={"activation": "vector_gate"})
    batch = _batch(network, 1)
    own = _gradients(GlobalErrorVectorBroadcasting(), network, batch)
    exact = _gradients(Backprop(), network, batch)
    name = "nodes.dense1.map.weight"
    assert (own[name] * exact[name] < 0).any()


@deterministic
@given(case=st.one_of(vector_dense_cases(), vector_image_cases()))
def test_at_the_readout_gevb_is_the_gradient(case):
    """Would catch a gate at the readout, or an error scaled on the way."""
    network, batch = case.network(), case.data()
    own = _gradients(GlobalErrorVectorBroadcasting(), network, batch)
    exact = _gradients(Backprop(), network, batch)
    readout = [name for name in exact if ".readout." in name]
    assert readout
    for name in readout:
        assert_near(own[name], exact[name], what=name)


@settings(deterministic, max_examples=10)
@given(units=st.integers(1, 10), seed=st.integers(0, 1000), weight=st.floats(0.1, 3.0))
def test_with_one_hidden_layer_and_equal_readout_weights_gevb_is_backprop_up_to_that_weight(units, seed, weight):
    """Would catch unit-specific credit: with nothing to tell units apart the broadcast is exact."""
    network = _dense(2 * units, inputs=4, seed=seed)
    with torch.no_grad():
        network.maps["readout"].weight.fill_(weight)
    batch = _batch(network, 5, seed)
    own = _gradients(GlobalErrorVectorBroadcasting(), network, batch)
    exact = _gradients(Backprop(), network, batch)
    for name in ("nodes.dense1.map.weight", "nodes.dense1.map.bias"):
        assert_near(weight * own[name], exact[name])


# --- angles at initialization -----------------------------------------------------------------------------------------


def test_the_angle_is_the_arctangent_of_the_credits_relative_spread():
    """Would catch an angle of weight updates, or of credit after the gate, in place of the paper's (eqs 23 and 24)."""
    network = _dense(40, 30, inputs=12)
    batch = _batch(network, 9)
    credit = propagated_credit(record_forward(network, batch), {})
    for name, angle in _angles(network, batch).items():
        c = as_array(credit[name])
        assert angle == pytest.approx(np.degrees(np.arctan2(c.std(1), c.mean(1))).mean(), rel=1e-9)


def test_before_the_readout_the_angle_is_that_of_rectified_normal_weights():
    """Would catch credit that is not the readout's weights themselves: atan sqrt(pi - 1) = 55.65 degrees."""
    network = _dense(20_000, inputs=3)
    (angle,) = _angles(network, _batch(network, 2)).values()
    assert angle == pytest.approx(math.degrees(math.atan(RECTIFIED)), abs=0.7)
    assert angle == pytest.approx(55.65, abs=0.7)


def _independent(*units, inputs, seed):
    """Return a network whose weights past the data are independent rectified normals, as eq. 15 has them."""
    network = _dense(*units, inputs=inputs, seed=seed)
    generator = Generator().manual_seed(seed + 100)
    with torch.no_grad():
        for name in network.credit_senders:
            weight = network.maps[name].weight
            drawn = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            weight.copy_(drawn.clamp_min(0) / weight.shape[1] ** 0.5)
    return network


@pytest.mark.parametrize("width", [128, 512])
def test_angles_of_independent_weights_follow_the_papers_recursion(width):
    """Would catch credit that grows or spreads otherwise than eq. 15: r = sqrt(2/n) (σ/μ) sqrt(1 + r'^2)."""
    last = RECTIFIED
    below = math.sqrt(2 / width) * RECTIFIED * math.sqrt(1 + last**2)
    lowest = math.sqrt(2 / width) * RECTIFIED * math.sqrt(1 + below**2)
    predicted = np.degrees(np.arctan([lowest, below, last]))
    found = np.mean([list(_coin_gated_angles(width, 4, seed)) for seed in range(6)], axis=0)
    np.testing.assert_allclose(found, predicted, rtol=0.06)


def _coin_gated_angles(width, size, seed):
    """Return angles of a three-layer network whose gates are fair coins: what eq. 15 supposes of them."""
    network = _independent(width, width, width, inputs=4, seed=seed)
    tape = record_forward(network, _batch(network, size, seed))
    generator = Generator().manual_seed(seed)
    for gate in tape.gates.values():
        if gate is not None:
            gate.copy_(torch.randint(2, gate.shape, generator=generator))
    credit = propagated_credit(tape, {})
    for name in network.hidden:
        yield np.degrees(np.arccos(_cosine_with_ones(as_array(credit[name])))).mean()


def test_on_off_pairs_lower_the_first_angle_as_simulated():
    """Would catch pairs that do not share their gates: CIFAR10's 1024-512-512 starts at 3.8, 9.1 and 55.1 degrees."""
    networks = [_cifar_dense(seed) for seed in range(8)]
    found = np.mean([list(_angles(n, _batch(n, 6)).values()) for n in networks], axis=0)
    assert (np.abs(found - [3.8, 9.1, 55.1]) < [0.3, 0.4, 1.2]).all(), found
    independent = math.degrees(math.atan(math.sqrt(2 / 512) * RECTIFIED * math.sqrt(1 + 0.162**2)))
    assert independent == pytest.approx(5.3, abs=0.1)
    pairs = math.degrees(math.atan(math.sqrt(2 / 256) * math.sqrt(math.pi / 2 - 1)))
    assert found[0] == pytest.approx(pairs, abs=0.4)


def _cifar_dense(seed):
    return _dense(1024, 512, 512, inputs=32, seed=seed)  # gates of the first layer are fair coins for any data


def test_angles_at_initialization_shrink_with_the_root_of_the_width():
    """Would catch a scale of the weights that depends on the width otherwise than through the draw's spread."""
    widths = (64, 256, 1024)
    angles = [
        np.mean([_angles(n, _batch(n, 4))["dense1"] for n in (_dense(w, w, inputs=16, seed=s) for s in range(4))])
        for w in widths
    ]
    tangents = np.tan(np.radians(angles)) * np.sqrt(widths)
    np.testing.assert_allclose(tangents, tangents.mean(), rtol=0.12)


# --- ON/OFF pairs -----------------------------------------------------------------------------------------------------


def _half(network, layers):
    """Return the mixed-sign network of the ON units alone: half the size, the very weights the pairs were made of."""
    plan = network.shapes
    halves = [{**layer, key: layer[key] // 2} for layer in layers for key in ("units", "channels") if key in layer]
    halved = [halves.pop(0) if {"units", "channels"} & set(layer) else layer for layer in layers]
    defaults = {"activation": "vector_gate", "initialization": {"scheme": "zeros"}}
    half = _network(halved, plan.input_shape, weight_sign="mixed", defaults=defaults)
    with torch.no_grad():
        for segment in plan.segments:
            weight, own = network.maps[segment.name].weight, half.segments[segment.name]
            if segment.reads_input:
                axis = 1 if segment.map_kind == "locally_connected2d" else 0
                drawn = weight.unflatten(axis, (-1, 2)).select(axis + 1, 0)
            else:
                axis = 2 if segment.map_kind == "locally_connected2d" else 1
                pairs = weight.unflatten(axis, (segment.input_channels // 2, 2, -1))
                drawn = pairs.select(axis + 1, 0) - pairs.select(axis + 1, 1)
                drawn = drawn.index_select(axis - 1, torch.arange(0, drawn.shape[axis - 1], 2))
            own.map.weight.copy_(drawn.reshape(own.map.weight.shape))
            if own.gating_vectors is not None:
                own.gating_vectors.copy_(network.segments[segment.name].gating_vectors[0::2])
    return half


CONV = {"kind": "conv2d", "kernel": 3, "padding": 1}
LOCAL = {"kind": "locally_connected2d", "kernel": 3, "padding": 1}
POOL = {"kind": "average_pool", "size": 2}
PAIRED = {
    "dense": ([{"kind": "dense", "units": 16}, {"kind": "dense", "units": 12}, {"kind": "dense", "units": 8}], (7,)),
    "conv, pool and flatten": (
        [{**CONV, "channels": 8}, POOL, {**CONV, "channels": 4}, POOL, {"kind": "dense", "units": 12}],
        (2, 10, 12),
    ),
    "locally connected": ([{**LOCAL, "channels": 8}, POOL, {**LOCAL, "channels": 4}], (2, 6, 6)),
}


@pytest.mark.parametrize("kind", sorted(PAIRED))
def test_on_units_compute_what_the_mixed_network_of_half_the_size_does(kind):
    """Would catch pairs at the wrong places in a weight, above all behind a flatten: activations would explode."""
    layers, input_shape = PAIRED[kind]
    network = _network(layers, input_shape, weight_sign="nonnegative")
    half, batch = _half(network, layers), _batch(network, 5)
    full_tape, half_tape = record_forward(network, batch), record_forward(half, batch)
    assert all((network.maps[name].weight >= 0).all() for name in network.credit_senders)
    for name in half.credit_senders:
        # One draw's positive and negative parts: together as many entries as it has, none of them at both places.
        assert (half.maps[name].weight < 0).any()
        per_on_unit = network.maps[name].weight.count_nonzero() / (1 if name == "readout" else 2)
        assert per_on_unit == half.maps[name].weight.numel()
    for name in network.hidden:
        outputs = full_tape.outputs[name]
        assert outputs.any()
        assert_near(outputs[:, :, 0::2], half_tape.outputs[name], what=name)
        assert_near(outputs[:, :, 1::2], -outputs[:, :, 0::2], what=name)
    assert_near(full_tape.logits, half_tape.logits)


def test_pairs_of_neighbouring_inputs_are_not_pairs_of_channels_behind_a_flatten():
    """Would catch the authors' conventional pairing taken for the one that lets activations cancel."""
    layers, input_shape = PAIRED["conv, pool and flatten"]
    adjacent = {"scheme": "he_normal", "on_off": "adjacent"}
    layers = [*layers[:-1], {**layers[-1], "initialization": adjacent}]
    network = _network(layers, input_shape, weight_sign="nonnegative")
    h = record_forward(network, _batch(network, 5)).outputs["dense3"]
    assert (h[:, :, 1::2] + h[:, :, 0::2]).abs().max() > 0.1


def test_the_spectrum_of_paired_weights_is_that_of_the_drawn_matrix_and_of_its_magnitudes():
    """Would catch ON and OFF exchanged in one quarter of the matrix."""
    network = _dense(24, 24, inputs=3)
    weight = as_array(network.maps["dense2"].weight)
    drawn = weight[0::2, 0::2] - weight[0::2, 1::2]
    found = np.linalg.eigvals(weight)
    expected = np.concatenate([np.linalg.eigvals(drawn), np.linalg.eigvals(np.abs(drawn))])
    remaining = list(found)
    for value in expected:
        nearest = min(range(len(remaining)), key=lambda i: abs(remaining[i] - value))
        assert abs(remaining.pop(nearest) - value) < 1e-9
    assert not remaining


# --- zero weights -----------------------------------------------------------------------------------------------------


def _train(rule, steps):
    """Return losses and the network after some steps of gradient descent from zero weights, clamped as the harness
    does."""
    network = _dense(12, 8, inputs=6, defaults={"activation": "vector_gate", "initialization": {"scheme": "zeros"}})
    batch = _batch(network, 40)
    attached(rule, network)
    losses, hidden_gradients = [], 0.0
    for _ in range(steps):
        network.zero_grad(set_to_none=True)
        losses.append(float(rule.assign_credit(batch).loss))
        first = network.maps["dense1"].weight.grad
        hidden_gradients = max(hidden_gradients, float(first.abs().max()))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0.3 * parameter.grad
        network.constrain()
    return losses, network, hidden_gradients


def test_gevb_learns_from_zero_weights():
    """Would catch credit that depends on the weights downstream: GEVB's does not."""
    losses, network, _ = _train(GlobalErrorVectorBroadcasting(), 60)
    assert losses[0] == pytest.approx(math.log(10))
    assert losses[-1] < 0.7 * losses[0]
    assert all(network.maps[name].weight.any() for name in network.segments)


def test_backprop_from_zero_weights_moves_no_hidden_weight():
    """Would catch backprop that does not go through the weights."""
    _, network, largest = _train(Backprop(), 1)
    assert largest == 0
    assert not network.maps["dense1"].weight.any()
    assert not network.maps["dense2"].weight.any()
