"""Oracles: the NumPy reference of the published algorithm, exact target propagation, autograd, and backprop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from benchsuite.credit import record_forward
from benchsuite.credit.batch import Batch
from benchsuite.errors import ShapeError
from benchsuite.networks.architecture_shapes import shapes_of
from benchsuite.networks.builder import build
from benchsuite.networks.criterion import CRITERIA
from benchsuite.specs.models.architecture import ChainArchitecture
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.difference_target_propagation import DifferenceTargetPropagation
from benchsuite_rules.target_propagation import TargetPropagation

from .chains import deterministic
from .difference_target_reference import Layer, difference_target_step

CLASSES = 4
CONV = {"kind": "conv2d", "kernel": 3, "padding": 1}
IMAGES = (
    [{**CONV, "channels": 5, "stride": 2}, {**CONV, "channels": 6}, {"kind": "dense", "units": 7}],
    (2, 6, 6),
)


def a_network(layers, input_shape, seed=0, form="ordinary", **defaults):
    spec = {"kind": "chain", "name": "drawn", "layers": layers, "defaults": defaults, "form": form}
    generator = Generator().manual_seed(seed)
    plan = shapes_of(ChainArchitecture.model_validate(spec), input_shape, CLASSES)
    network = build(plan, generator).double()
    with torch.no_grad():
        for linear_map in network.maps.values():
            linear_map.bias.copy_(0.3 * torch.randn(linear_map.bias.shape, generator=generator))
    return network


def a_batch(input_shape, seed=0, size=6, criterion="cross_entropy"):
    generator = Generator().manual_seed(1_000 + seed)
    inputs = torch.randn(size, *input_shape, generator=generator, dtype=torch.float64)
    return Batch(inputs, torch.randint(CLASSES, (size,), generator=generator), CRITERIA[criterion])


def attached(network, seed=0, **config):
    rule = DifferenceTargetPropagation(DifferenceTargetPropagation.Config(**config))
    generator = Generator().manual_seed(2_000 + seed)
    rule.attach(network, generator)
    with torch.no_grad():
        for offset in rule.offsets.by_segment.values():
            offset.copy_(0.3 * torch.randn(offset.shape, generator=generator))
    network.zero_grad(set_to_none=True)
    return rule


def noise_to_come(rule, tape):
    """Return the noise of the next step, segment by segment in forward order."""
    generator, sd = rule.stream.ahead(tape.logits.device), rule.config.noise_standard_deviation
    return {
        name: sd * torch.randn(tape.inputs[name].shape, generator=generator).double().numpy()
        for name in rule.decoders.by_segment
    }


def errors_of(criterion, targets):
    one_hot = np.eye(CLASSES)[targets.numpy()]

    def softmax_error(a):
        e = np.exp(a - a.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True) - one_hot

    return softmax_error if criterion == "cross_entropy" else lambda a: a - one_hot


@deterministic
@given(
    widths=st.lists(st.integers(2, 8), min_size=2, max_size=4),
    activations=st.lists(
        st.sampled_from(["tanh", "relu", "leaky_relu", "softplus", "identity"]), min_size=4, max_size=4
    ),
    criterion=st.sampled_from(["cross_entropy", "squared_error"]),
    first_target=st.sampled_from(["gradient", "decoder"]),
    sd=st.sampled_from([0.0, 0.36]),
    step=st.sampled_from([1e-3, 0.5]),
    seed=st.integers(0, 99),
)
def test_one_step_is_that_of_the_reference(widths, activations, criterion, first_target, sd, step, seed):
    """Would catch a decoder that reads its own segment's nonlinearity, a target without its correction, a noise of its
    own on either side of the reconstruction, an offset that is forgotten, credit divided by the batch twice."""
    layers = [{"kind": "dense", "units": w, "activation": a} for w, a in zip(widths, activations, strict=False)]
    network, batch = a_network(layers, (5,), seed), a_batch((5,), seed, criterion=criterion)
    rule = attached(network, seed, target_step=step, first_target=first_target, noise_standard_deviation=sd)
    noise = noise_to_come(rule, record_forward(network, batch))
    decoders, offsets = rule.decoders.by_segment, rule.offsets.by_segment
    reference = difference_target_step(
        [
            Layer(
                linear_map.weight.detach().numpy(),
                linear_map.bias.detach().numpy(),
                activation,
                *([decoders[name].numpy(), offsets[name].numpy(), noise[name]] if name in decoders else []),
            )
            for (name, linear_map), activation in zip(
                network.maps.items(), [*activations[: len(widths)], "identity"], strict=True
            )
        ],
        batch.inputs.numpy(),
        errors_of(criterion, batch.targets),
        step,
        first_target == "decoder",
    )
    rule.eval()
    differences = rule.target_differences(batch)
    rule.train()
    rule.assign_credit(batch)
    for (name, linear_map), expected in zip(network.maps.items(), reference, strict=True):
        # A difference of two reconstructions, at a distance of the step and less.
        close = {"rtol": 1e-7, "atol": 1e-10, "err_msg": name}
        np.testing.assert_allclose(linear_map.weight.grad.numpy(), expected.weights, **close)
        np.testing.assert_allclose(linear_map.bias.grad.numpy(), expected.bias, **close)
        assert (name in decoders) == (expected.decoder is not None)
        if name in decoders:
            np.testing.assert_allclose(decoders[name].grad.numpy(), expected.decoder, **close)
            np.testing.assert_allclose(offsets[name].grad.numpy(), expected.offset, **close)
        assert (name in differences) == (expected.difference is not None)
        if name in differences:
            np.testing.assert_allclose(differences[name].numpy(), expected.difference, **close)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_a_convolutions_decoder_descends_its_reconstruction_error(activation):
    """Autograd on torch's own transposed convolution, a stride and a flattening included; one offset a channel."""
    layers, input_shape = IMAGES
    network, batch = a_network(layers, input_shape, activation=activation), a_batch(input_shape)
    rule = attached(network)
    tape = record_forward(network, batch)
    noise = {name: torch.from_numpy(values) for name, values in noise_to_come(rule, tape).items()}
    rule.assign_credit(batch)
    s = {"tanh": torch.tanh, "gelu": F.gelu}[activation]
    for name in ("conv2", "dense3"):
        v, c = (t.by_segment[name].clone().requires_grad_() for t in (rule.decoders, rule.offsets))
        noisy = tape.inputs[name] + noise[name]
        response = network.segments[name](noisy).detach()
        undone = F.conv_transpose2d(response, v, stride=1, padding=1) if name == "conv2" else response @ v
        loss = 0.5 * (s(undone + c) - noisy).square().flatten(1).sum(1).mean()
        by_v, by_c = torch.autograd.grad(loss, [v, c])
        torch.testing.assert_close(rule.decoders.by_segment[name].grad, by_v)
        torch.testing.assert_close(rule.offsets.by_segment[name].grad, by_c)
    assert rule.offsets.by_segment["conv2"].shape == (5, 1, 1)


@pytest.mark.parametrize("criterion", ["cross_entropy", "squared_error"])
def test_with_exact_inverses_for_decoders_targets_are_those_of_target_propagation(criterion):
    """A linear chain, where an inverse is a decoder: the two rules' code has nothing in common but the tape."""
    layers = [{"kind": "dense", "units": CLASSES, "activation": "identity"}] * 3
    ordinary = a_network(layers, (CLASSES,), initialization={"scheme": "orthogonal"})
    square = a_network(layers, (CLASSES,), form="invertible", initialization={"scheme": "orthogonal"})
    with torch.no_grad():
        for name, linear_map in ordinary.maps.items():  # away from orthogonal, where inverses are transposes
            linear_map.weight.add_(0.2 * torch.randn(CLASSES, CLASSES, generator=Generator().manual_seed(len(name))))
    square.load_state_dict(ordinary.state_dict())
    rule = attached(ordinary, target_step=1.0, first_target="decoder")
    for name, decoder in rule.decoders.by_segment.items():
        linear_map = ordinary.maps[name]
        inverse = torch.linalg.inv(linear_map.weight.detach())
        decoder.copy_(inverse.t())
        rule.offsets.by_segment[name].copy_(-inverse @ linear_map.bias.detach())
    exact = TargetPropagation()
    exact.attach(square, Generator())
    batch = a_batch((CLASSES,), criterion=criterion)
    found, expected = rule.target_differences(batch), exact.target_differences(batch)
    assert found.keys() == expected.keys() == ordinary.segments.keys()
    for name, difference in found.items():
        torch.testing.assert_close(difference, expected[name], rtol=1e-9, atol=1e-12)


def test_a_linear_network_whose_decoders_are_its_weights_is_trained_by_backprop():
    """So is the last hidden segment of any network, whatever the step."""
    layers = [{"kind": "dense", "units": units} for units in (7, 6, 5)]
    for activation, the_same in (("identity", ("dense1", "dense2", "dense3")), ("tanh", ("dense3",))):
        network, batch = a_network(layers, (5,), activation=activation), a_batch((5,))
        exact = _weight_gradients(Backprop(), network, batch)
        rule = DifferenceTargetPropagation()
        rule.attach(network, Generator())
        for name, decoder in rule.decoders.by_segment.items():
            decoder.copy_(network.maps[name].weight.detach())
        found = _weight_gradients(rule, network, batch, attach=False)
        same = [name for name in network.hidden if torch.allclose(found[name], exact[name], rtol=1e-8, atol=1e-12)]
        assert tuple(same) == the_same


def _weight_gradients(rule, network, batch, attach=True):
    if attach:
        rule.attach(network, Generator())
    network.zero_grad(set_to_none=True)
    rule.assign_credit(batch)
    return {name: linear_map.weight.grad.clone() for name, linear_map in network.maps.items()}


def test_what_lies_between_segments_passes_differences_as_it_passes_credit():
    """Pooling and dropout between two segments, against autograd of the whole with a decoder that is the weight."""
    layers = [
        {**CONV, "channels": 3},
        {"kind": "max_pool", "size": 2},
        {"kind": "dropout", "probability": 0.5},
        {"kind": "dense", "units": 5},
        {"kind": "dense", "units": 5},
    ]
    network, batch = a_network(layers, (2, 4, 4), activation="identity"), a_batch((2, 4, 4))
    rule = DifferenceTargetPropagation()
    rule.attach(network, Generator())
    for name, decoder in rule.decoders.by_segment.items():
        decoder.copy_(network.maps[name].weight.detach())
    network.set_dropout_generator(Generator().manual_seed(5))
    found = _weight_gradients(rule, network, batch, attach=False)
    network.set_dropout_generator(Generator().manual_seed(5))
    exact = _weight_gradients(Backprop(), network, batch)
    torch.testing.assert_close(found["conv1"], exact["conv1"], rtol=1e-8, atol=1e-12)


def test_a_norm_that_comes_last_is_decoded_without_a_nonlinearity():
    layers = [
        {"kind": "dense", "units": 6, "activation": "relu", "norm": "batch", "norm_order": "activation_first"},
        {"kind": "dense", "units": 5},
    ]
    rule = attached(a_network(layers, (5,)))
    below_zero = torch.full((3, 5), -1.0, dtype=torch.float64)
    values, decoded = rule._decode("dense2", below_zero, torch.Size((3, 6)))
    assert bool((values < 0).any())
    torch.testing.assert_close(values, decoded)


def test_decoders_learn_in_training_alone():
    network = a_network([{"kind": "dense", "units": 6}] * 2, (5,))
    rule = attached(network)
    rule.eval()
    rule.assign_credit(a_batch((5,)))
    assert all(weight.grad is None for weight in rule.decoders.by_segment.values())


def test_without_noise_no_map_is_applied_twice():
    network = a_network([{"kind": "dense", "units": 6}] * 2, (5,))
    applied = []
    for name, linear_map in network.maps.items():
        linear_map.register_forward_hook(lambda *_, name=name: applied.append(name))
    attached(network, noise_standard_deviation=0).assign_credit(a_batch((5,)))
    assert applied == ["dense1", "dense2", "readout"]
    applied.clear()
    attached(network).assign_credit(a_batch((5,)))
    assert applied == ["dense1", "dense2", "readout", "dense2"]


def test_a_decoder_comes_to_undo_its_segment():
    """Reconstruction falls to a tenth under plain descent; a sign turned round would raise it. No unit that a rectifier
    cuts off is to be undone here."""
    network = a_network([{"kind": "dense", "units": 12}] * 2, (6,), activation="tanh")
    rule = attached(network, noise_standard_deviation=0.1)
    weights = [learned.weight for learned in rule.learned_feedback]

    def error(batch):
        tape = record_forward(network, batch)
        decoded = rule._decode("dense2", tape.outputs["dense2"], tape.inputs["dense2"].shape)[1]
        return float((decoded - tape.inputs["dense2"]).square().sum(1).mean())

    before = error(a_batch((6,), 99, size=200))
    for seed in range(400):
        rule.assign_credit(a_batch((6,), seed, size=32))
        with torch.no_grad():
            for weight in weights:
                weight.sub_(weight.grad, alpha=0.1)
    assert error(a_batch((6,), 99, size=200)) < 0.1 * before


def test_ways_are_kept_where_they_are_asked_for_alone():
    network, batch = a_network([{"kind": "dense", "units": 6}] * 2, (5,)), a_batch((5,))
    tape = record_forward(network, batch)
    with pytest.raises(ShapeError, match="link to the segment before was not recorded"):
        tape.pull_back_between("dense2", tape.inputs["dense2"])
    assert not any(values.requires_grad for values in (*tape.inputs.values(), tape.logits))
    kept = record_forward(network, batch, keep_links=True)
    assert not any(values.requires_grad for values in (*kept.inputs.values(), kept.logits, kept.error))
    with pytest.raises(ShapeError, match="'dense1'"):
        kept.pull_back_between("dense1", batch.inputs)
