"""Oracle: inverted dropout's definition, each value zeroed with probability p, the rest scaled by 1/(1 - p)."""

import numpy as np
import pytest
import torch

from benchsuite.credit import record_forward
from benchsuite.credit.batch import Batch
from benchsuite.networks.segments import Dropout

from .chains import assert_near, dense_case


def _dropout(probability, seed=5):
    dropout = Dropout(probability)
    dropout.generator = torch.Generator().manual_seed(seed)
    return dropout.train()


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.8])
def test_values_are_zeroed_at_the_stated_rate_and_the_rest_scaled_up(probability):
    """Would catch keep and drop exchanged: at one half nobody would notice."""
    y = _dropout(probability)(torch.ones(400, 500, dtype=torch.float64)).numpy()
    kept = y != 0
    np.testing.assert_allclose(y[kept], 1 / (1 - probability), rtol=1e-12)
    assert kept.mean() == pytest.approx(1 - probability, abs=0.005)
    assert y.mean() == pytest.approx(1, abs=0.02)


def test_every_value_has_a_fate_of_its_own():
    """Would catch a mask shared over the batch or over units."""
    kept = (_dropout(0.5)(torch.ones(64, 64)) != 0).double().numpy()
    assert kept.mean(0).min() > 0.2
    assert kept.mean(0).max() < 0.8
    assert kept.mean(1).min() > 0.2
    assert kept.mean(1).max() < 0.8


@pytest.mark.parametrize(("probability", "training"), [(0.5, False), (0.0, True)])
def test_nothing_is_dropped_or_drawn_in_evaluation_or_at_zero(probability, training):
    """Would catch evaluation that moves the random stream, so that evaluating more often changes training."""
    dropout = _dropout(probability).train(training)
    before = dropout.generator.get_state()
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(dropout(x), x)
    assert torch.equal(dropout.generator.get_state(), before)


def test_masks_come_from_the_dropouts_own_stream_alone():
    """Would catch a draw from the global stream, which shifts with anything else that draws."""
    x = torch.ones(20, 20)
    before = torch.get_rng_state()
    first = _dropout(0.5)(x)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert torch.equal(_dropout(0.5)(x), first)
    assert not torch.equal(_dropout(0.5, seed=6)(x), first)


def test_each_pass_draws_a_new_mask():
    """Would catch one mask for the whole of training: a smaller network, not dropout."""
    dropout, x = _dropout(0.5), torch.ones(20, 20)
    assert not torch.equal(dropout(x), dropout(x))


def test_backward_uses_the_mask_of_the_forward_pass():
    """Would catch a mask drawn anew for the gradient."""
    x = torch.randn(30, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    y = _dropout(0.3)(x)
    y.sum().backward()
    assert_near(x.grad, np.where(y.detach() != 0, 1 / 0.7, 0.0))


def test_inputs_are_not_changed():
    """Would catch dropout in place on the kept output of a segment, where credit is placed."""
    x = torch.ones(10, 10)
    _dropout(0.5)(x)
    assert torch.equal(x, torch.ones(10, 10))


def test_networks_dropout_draws_from_the_stream_it_was_given():
    """Would catch one of several dropouts left on the global stream."""
    layers = []
    for units in (40, 30):
        layers += [{"kind": "dense", "units": units}, {"kind": "dropout", "probability": 0.5}]
    case = dense_case(1)
    case = type(case)(layers=tuple(layers), input_shape=(6,), classes=3, batch=4)
    network = case.network()
    x = case.data().inputs
    outputs = []
    for global_seed in (0, 1):
        torch.manual_seed(global_seed)
        network.set_dropout_generator(torch.Generator().manual_seed(9))
        outputs.append(network(x).detach())
    assert torch.equal(*outputs)
    assert not torch.equal(network(x).detach(), outputs[0])


def test_dropout_on_the_tape_and_in_autograd_is_the_same_at_one_state_of_the_stream():
    """Would catch mechanisms that draw differently: runs paired by seed would see different masks."""
    base = dense_case(1)
    layers = ({"kind": "dense", "units": 40}, {"kind": "dropout", "probability": 0.5})
    case = type(base)(layers=layers, input_shape=(6,), classes=3, batch=4)
    network = case.network()
    batch: Batch = case.data()
    network.set_dropout_generator(torch.Generator().manual_seed(9))
    along = network(batch.inputs).detach()
    network.set_dropout_generator(torch.Generator().manual_seed(9))
    assert torch.equal(record_forward(network, batch).logits, along)


def test_credit_on_the_tape_lies_before_dropout():
    """Would catch a dropout mask in the credit of the segment below it: credit is placed at the segment's output."""
    base = dense_case(1)
    layers = ({"kind": "dense", "units": 9, "activation": "identity"}, {"kind": "dropout", "probability": 0.5})
    case = type(base)(layers=layers, input_shape=(6,), classes=3, batch=4)
    network = case.network()
    network.set_dropout_generator(torch.Generator().manual_seed(9))
    batch = case.data()
    credit = torch.from_numpy(case.random_array(4, 9))
    record_forward(network, batch).assign({"dense1": credit})
    assert_near(network.maps["dense1"].weight.grad, credit.T @ batch.inputs)
