"""Oracle: NumPy by hand on a small dense network, the maps' own transposes, and where one step is the whole chain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchsuite.credit.batch import Batch
from benchsuite.diagnostics.credit_angle import PreActivationCreditAngle
from benchsuite.diagnostics.observe import assigned_credit, backprop_credit
from benchsuite.diagnostics.one_step_credit_angle import OneStepCreditAngle, pulled_back_one_step
from benchsuite.networks.criterion import SquaredError

ONE_STEP, FULL = OneStepCreditAngle(), PreActivationCreditAngle()

RESIDUAL = [
    {"kind": "conv2d", "channels": 2, "kernel": 3, "padding": 1, "activation": "tanh"},
    {"kind": "conv2d", "channels": 2, "kernel": 3, "padding": 1, "norm": "batch"},
    {"kind": "sum"},
    {"kind": "dropout", "probability": 0.5},
    {"kind": "max_pool", "size": 2},
    {"kind": "locally_connected2d", "channels": 2, "kernel": 3, "padding": 1, "activation": "sigmoid"},
    {"kind": "sum"},
    {"kind": "average_pool", "size": 3},
    {"kind": "dense", "units": 6, "norm": "batch", "norm_order": "activation_first"},
]
DENSE = [{"kind": "dense", "units": 7, "activation": "tanh"}, {"kind": "dense", "units": 6, "activation": "sigmoid"}]


def batch_of(*shape: int) -> Batch:
    generator = torch.Generator().manual_seed(2)
    return Batch(torch.randn(9, *shape, generator=generator).double(), torch.arange(9) % 4, SquaredError())


def disturb_norms(rule) -> None:
    """Give batch norms statistics and scales that are not the identity's."""
    generator = torch.Generator().manual_seed(3)
    for module in rule.network.modules():
        if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight.data):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


def numpy_angle(first: np.ndarray, second: np.ndarray) -> float:
    cosine = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    return float(np.degrees(np.arccos(cosine)).mean())


def test_two_hidden_segments_by_hand(attach):
    """Would catch the full chain, a missing derivative, and a credit above that is backprop's instead of the rule's."""
    rule, batch = attach("feedback_alignment", DENSE), batch_of(5)
    weights = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in rule.network.maps.values()]
    (w1, b1), (w2, b2), (w3, b3) = weights
    f2, f3 = (rule.feedback_weights[name].numpy() for name in ("dense2", "readout"))
    first = np.tanh(batch.inputs.numpy() @ w1.T + b1)
    second = 1 / (1 + np.exp(-(first @ w2.T + b2)))
    error = (second @ w3.T + b3 - np.eye(4)[batch.targets]) / 9
    credit2 = error @ f3 * second * (1 - second)
    credit1 = credit2 @ f2 * (1 - first**2)
    found = ONE_STEP.measure(rule, batch)
    assert list(found) == ["dense1", "dense2"]
    assert found["dense2"] == pytest.approx(numpy_angle(credit2, error @ w3 * second * (1 - second)))
    assert found["dense1"] == pytest.approx(numpy_angle(credit1, credit2 @ w2 * (1 - first**2)))


def test_with_one_hidden_segment_it_is_the_full_chain_and_above_it_not(attach):
    """FACTS of the two papers: the readout's credit is the error under either."""
    batch = batch_of(5)
    one = attach("feedback_alignment", DENSE[:1])
    assert ONE_STEP.measure(one, batch)["dense1"] == pytest.approx(FULL.measure(one, batch)["dense1"], rel=1e-9)
    two = attach("feedback_alignment", DENSE)
    step, chain = ONE_STEP.measure(two, batch), FULL.measure(two, batch)
    assert step["dense2"] == pytest.approx(chain["dense2"], rel=1e-9)
    assert abs(step["dense1"] - chain["dense1"]) > 1


def test_direct_credit_is_compared_with_the_rules_own_credit_above(attach):
    """DFA has no weights to pull back through: its own credit of the next segment goes through the forward weight."""
    rule, batch = attach("direct_feedback_alignment", DENSE), batch_of(5)
    assigned = assigned_credit(rule, batch, "pre_activation")
    outputs = torch.tanh(rule.network.maps["dense1"](batch.inputs)).detach()
    pulled = (assigned["dense2"] @ rule.network.maps["dense2"].weight.detach()) * (1 - outputs**2)
    expected = numpy_angle(assigned["dense1"].numpy(), pulled.numpy())
    assert ONE_STEP.measure(rule, batch)["dense1"] == pytest.approx(expected)


@pytest.mark.parametrize(("layers", "shape"), [(DENSE, (5,)), (RESIDUAL, (2, 6, 6))], ids=["chain", "residual"])
def test_backprops_own_credit_pulled_back_one_step_is_backprops(attach, layers, shape):
    """Would catch a path left out or counted twice: for exact credit, steps compose to the chain on any graph."""
    rule, batch = attach("backprop", layers, shape), batch_of(*shape)
    disturb_norms(rule)
    exact = backprop_credit(rule.network, batch, "pre_activation")
    pulled = pulled_back_one_step(rule.network, batch.inputs, exact)
    assert set(pulled) == set(rule.network.hidden)
    assert all(torch.allclose(pulled[name], exact[name], rtol=1e-9, atol=1e-14) for name in pulled)
    assert all(angle == pytest.approx(0, abs=1e-4) for angle in ONE_STEP.measure(rule, batch).values())


def test_a_sum_is_pulled_back_by_hand(attach):
    """Would catch credit that goes on through a map to the segments below its direct readers."""
    rule, batch = attach("feedback_alignment", RESIDUAL, (2, 6, 6)), batch_of(2, 6, 6)
    disturb_norms(rule)
    network = rule.network
    names = list(network.segments)
    conv1, conv2 = names[:2]
    generator = torch.Generator().manual_seed(4)
    with network.observed() as outputs:
        network(batch.inputs)
    shapes = {n: network.maps[n].apply_weight(*_inputs_of(network, n, batch)).shape for n in names}
    credit = {n: torch.randn(shapes[n], generator=generator).double() for n in names}
    pulled = pulled_back_one_step(network, batch.inputs, credit)

    # conv1 is read by conv2 through the weight, and through sum, pool by local3; and, over the second sum (local3 plus
    # the pooled first sum), by dense4. conv2 is read by the latter two.
    with torch.no_grad():
        first = outputs[conv1].detach()
        joined = first + outputs[conv2].detach()
        pooled, places = F.max_pool2d(joined, 2, return_indices=True)
        from_local = network.maps[names[2]].pull_back(credit[names[2]], network.maps[names[2]].weight, pooled.shape)
        flat = credit[names[3]] @ network.maps[names[3]].weight
        from_dense = F.interpolate(flat.view(9, 2, 1, 1), scale_factor=3) / 9
        at_sum = F.max_unpool2d(from_local + from_dense, places, 2)
        from_conv2 = network.maps[conv2].pull_back(credit[conv2], network.maps[conv2].weight, first.shape)
        expected = (at_sum + from_conv2) * (1 - first**2)
        norm = network.segments[conv2].norm
        scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).view(1, 2, 1, 1)
        expected2 = at_sum * (outputs[conv2] > 0) * scale
    assert torch.allclose(pulled[conv1], expected, rtol=1e-9, atol=1e-14)
    assert torch.allclose(pulled[conv2], expected2, rtol=1e-9, atol=1e-14)


def _inputs_of(network, name: str, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    seen = []
    handle = network.maps[name].register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0].detach()))
    network(batch.inputs)
    handle.remove()
    return seen[0], network.maps[name].weight.detach()


def test_a_reader_without_credit_passes_nothing_on(attach):
    network = attach("backprop", DENSE).network
    batch = batch_of(5)
    only_readout = {"readout": torch.ones(9, 4).double()}
    assert set(pulled_back_one_step(network, batch.inputs, only_readout)) == {"dense2"}
    assert pulled_back_one_step(network, batch.inputs, {}) == {}


def test_hidden_segments_without_credit_have_no_angle(attach):
    assert set(ONE_STEP.measure(attach("readout_only", DENSE), batch_of(5)).values()) == {None}


def test_narrow_products_change_little(attach):
    """Would catch credits and outputs of different types under autocast, as GPU tracks run."""
    rule, batch = attach("feedback_alignment", DENSE), batch_of(5)
    wide = ONE_STEP.measure(rule, batch)
    rule.network.float()
    rule.float()
    rule.network.autocast_dtype = torch.bfloat16
    narrow = ONE_STEP.measure(rule, Batch(batch.inputs.float(), batch.targets, batch.criterion))
    assert narrow == {name: pytest.approx(angle, abs=2) for name, angle in wide.items()}
