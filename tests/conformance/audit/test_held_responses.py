"""Oracle: closed forms of a dense map, and a change of weights that a batch cannot see."""

from __future__ import annotations

import pytest
import torch
from torch import Generator

from benchsuite.conformance.audit.equal_response_weights import equal_response_weight, equal_response_weights
from benchsuite.conformance.samples import SAMPLE_NETWORKS, Trial
from benchsuite.networks.maps import Dense
from benchsuite_rules.backprop import Backprop

from .declared import SAMPLES


def _dense() -> Dense:
    linear_map = Dense(5, 3).double()
    with torch.no_grad():
        for parameter in linear_map.parameters():
            parameter.normal_(generator=Generator().manual_seed(0))
    return linear_map


def test_responses_are_the_old_weights_to_the_last_bit_and_cotangents_see_the_new_one():
    linear_map = _dense()
    other = equal_response_weight(linear_map, seed=1)
    inputs = torch.randn(4, 5, dtype=torch.float64, generator=Generator().manual_seed(2), requires_grad=True)
    cotangent = torch.randn(4, 3, dtype=torch.float64, generator=Generator().manual_seed(3))
    expected = linear_map(inputs).detach()
    with equal_response_weights(linear_map, other):
        assert torch.equal(linear_map.weight, other)
        output = linear_map(inputs)
        output.backward(cotangent)
    assert torch.equal(output, expected)
    torch.testing.assert_close(inputs.grad, cotangent @ other, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(linear_map.weight.grad, cotangent.t() @ inputs.detach(), rtol=1e-12, atol=1e-14)


def test_what_goes_through_another_weight_is_not_held():
    linear_map = _dense()
    feedback = equal_response_weight(linear_map, seed=4)
    inputs = torch.randn(4, 5, dtype=torch.float64, generator=Generator().manual_seed(2))
    with equal_response_weights(linear_map, equal_response_weight(linear_map, seed=1)):
        torch.testing.assert_close(linear_map.apply_weight(inputs, feedback), inputs @ feedback.t(), rtol=0, atol=1e-14)


def test_the_map_is_as_it_was_afterwards_also_after_an_error():
    linear_map = _dense()
    before = linear_map.weight.detach().clone()
    with pytest.raises(RuntimeError), equal_response_weights(linear_map, equal_response_weight(linear_map, seed=1)):
        raise RuntimeError
    assert torch.equal(linear_map.weight, before)
    assert "apply_weight" not in linear_map.__dict__


def test_another_weight_is_as_long_as_the_first_and_has_other_signs():
    linear_map = _dense()
    other = equal_response_weight(linear_map, seed=1)
    torch.testing.assert_close(other.norm(), linear_map.weight.detach().norm())
    assert (other.sign() != linear_map.weight.sign()).any()


@pytest.mark.parametrize("segment", ["dense2", "readout"])
def test_holding_responses_gives_the_gradients_of_a_change_that_the_batch_cannot_see(segment):
    """W + U with U A = 0 for the batch's activities A: the plain network, unheld, has the same forward pass."""
    batch = SAMPLES["dense"].batch(0, size=4, dtype=torch.float64)
    held, unheld = (Trial.start(Backprop(), SAMPLES["dense"], dtype=torch.float64) for _ in range(2))
    with held.network.observed() as outputs:
        logits = held.network(batch.inputs).detach()
    activities = outputs[{"dense2": "dense1", "readout": "dense2"}[segment]].detach()
    linear_map = unheld.network.maps[segment]
    unseen = equal_response_weight(linear_map, seed=6)
    unseen = unseen - unseen @ activities.t() @ torch.linalg.pinv(activities.t())
    with torch.no_grad():
        linear_map.weight += unseen
    torch.testing.assert_close(unheld.network(batch.inputs).detach(), logits, rtol=1e-12, atol=1e-12)
    with equal_response_weights(held.network.maps[segment], linear_map.weight.detach()):
        found = held.gradients(batch)
    for name, expected in unheld.gradients(batch).items():
        torch.testing.assert_close(found[name], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("sample", SAMPLE_NETWORKS, ids=lambda sample: sample.name)
def test_every_kind_of_map_can_be_held(sample):
    """Catches a map that runs forward past ``apply_weight``: the test would be inconclusive there."""
    network = sample.build(Generator().manual_seed(1)).double()
    network.set_dropout_generator(Generator().manual_seed(3))
    batch = sample.batch(0, dtype=torch.float64)
    expected = network(batch.inputs)
    for linear_map in network.maps.values():
        network.set_dropout_generator(Generator().manual_seed(3))
        with equal_response_weights(linear_map, equal_response_weight(linear_map, seed=1)):
            # To the last bit at the map; a sum over what lies otherwise in memory may round otherwise.
            torch.testing.assert_close(network(batch.inputs), expected, rtol=0, atol=1e-15)
