"""Oracles: the NumPy reference on the expanded input, and autograd on the same network.

Credit in a vectorized network is kept as one number a unit. Everything here holds that short form against the long one:
every component of every unit.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchsuite.credit import propagated_credit, record_forward
from benchsuite.credit.vector_tape import VectorTape
from benchsuite.errors import ShapeError
from benchsuite.networks.maps import replaced_feedback
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.feedback_alignment import FeedbackAlignment
from benchsuite_rules.gevb import GlobalErrorVectorBroadcasting
from benchsuite_rules.readout_only import ReadoutOnly

from .chains import as_array, assert_near, attached, deterministic
from .gevb_reference import exact_cotangents, gevb_gradients, gradients_of_cotangents
from .vector_chains import VectorCase, assert_vector_gradients, vector_cases, vector_trace

CONV = {"kind": "conv2d", "channels": 4, "kernel": 3, "padding": 1}
MIXED = VectorCase(
    (
        {**CONV, "dilation": 2, "stride": 2},
        {"kind": "average_pool", "size": 2, "stride": 1, "padding": 1},
        {"kind": "locally_connected2d", "channels": 4, "kernel": 2, "padding": "same"},
        {"kind": "sum"},
        {"kind": "dense", "units": 6},
    ),
    (2, 7, 6),
    classes=5,
    bits=4,
    nonnegative=False,
    seed=3,
)


def _autograd(network, batch):
    loss = batch.criterion(network(batch.inputs), batch.targets)
    return torch.autograd.grad(loss, list(network.parameters()))


def _gradients(network):
    return [p.grad for p in network.parameters()]


def _hold(found, expected):
    assert len(found) == len(expected) > 0
    for ours, exact in zip(found, expected, strict=True):
        assert_near(ours, exact)


@deterministic
@given(case=vector_cases)
def test_forward_pass_is_the_papers(case):
    """Would catch a gate that is not shared by the components, a bank in the wrong place, or a wrong code."""
    network, batch = case.network(), case.data()
    trace, logits, loss, error = vector_trace(case, network)
    tape = record_forward(network, batch)
    assert isinstance(tape, VectorTape)
    assert_near(network(batch.inputs), logits)
    assert_near(tape.logits, logits)
    assert float(tape.loss) == pytest.approx(loss, rel=1e-9)
    assert_near(tape.vector_error, error)
    for name, pre_activation in trace.pre_activations.items():
        gate = trace.gates[name]
        assert_near(tape.outputs[name].reshape(pre_activation.shape), pre_activation * gate[:, None], what=name)
        if tape.gates[name] is not None:
            assert_near(tape.gates[name].reshape(gate.shape), gate)


@deterministic
@given(case=vector_cases)
def test_gevb_is_the_papers_rule(case):
    """Would catch a pooling factor, a forgotten gate, or a batch mean taken twice."""
    network = case.network()
    attached(GlobalErrorVectorBroadcasting(), network).assign_credit(case.data())
    trace, *_, error = vector_trace(case, network)
    assert_vector_gradients(case, network, gevb_gradients(trace, error))


@deterministic
@given(case=vector_cases)
def test_backprop_is_the_gradient_on_the_expanded_input(case):
    """Would catch credit that is lost at a shortcut, a pool, or where the data are read."""
    network = case.network()
    attached(Backprop(), network).assign_credit(case.data())
    trace, *_, error = vector_trace(case, network)
    assert_vector_gradients(case, network, gradients_of_cotangents(trace, exact_cotangents(trace, error)))


@deterministic
@given(case=vector_cases)
def test_backprop_is_autograd(case):
    """Would catch a wrong short form: autograd carries all components back through the same modules."""
    network, batch = case.network(), case.data()
    result = attached(Backprop(), network).assign_credit(batch)
    _hold(_gradients(network), _autograd(network, batch))
    assert_near(result.logits, network(batch.inputs))


@deterministic
@given(case=vector_cases)
def test_feedback_alignment_is_autograd_through_its_weights(case):
    """Would catch a short form that uses the forward weight somewhere, or the reference's transposed."""
    network, batch = case.network(), case.data()
    rule = attached(FeedbackAlignment(), network)
    rule.assign_credit(batch)
    with replaced_feedback(network.maps, rule.feedback.by_segment):
        expected = _autograd(network, batch)
    _hold(_gradients(network), expected)
    trace, *_, error = vector_trace(case, network, rule.feedback.by_segment)
    assert_vector_gradients(case, network, gradients_of_cotangents(trace, exact_cotangents(trace, error)))


@deterministic
@given(case=vector_cases)
def test_propagated_credit_is_one_number_times_the_error(case):
    """Would catch credit after the gate or after the pool, where the paper's angles are not taken."""
    network = case.network()
    tape = record_forward(network, case.data())
    trace, *_, error = vector_trace(case, network)
    cotangents = exact_cotangents(trace, error)
    credit = propagated_credit(tape, {})
    assert set(credit) == set(cotangents)
    for name, cotangent in cotangents.items():
        number = as_array(credit[name]).reshape(cotangent.shape[0], 1, *cotangent.shape[2:])
        assert_near(number * error[:, :, None, None], cotangent, what=name)


def test_readout_only_leaves_hidden_segments_alone():
    """Would catch the control training them in this form, where its gradients come from another tape."""
    chain = replace(MIXED, layers=tuple(layer for layer in MIXED.layers if layer["kind"] != "sum"))
    network, batch = chain.network(), chain.data()
    attached(ReadoutOnly(), network).assign_credit(batch)
    exact = dict(zip([n for n, _ in network.named_parameters()], _autograd(network, batch), strict=True))
    for name, parameter in network.named_parameters():
        if "readout" in name:
            assert_near(parameter.grad, exact[name])
        else:
            assert parameter.grad is None


# --- the maps' short forms --------------------------------------------------------------------------------------------


@deterministic
@given(case=vector_cases, components_slowest=st.booleans(), seed=st.integers(0, 1000))
def test_structured_forms_are_the_dense_forms(case, components_slowest, seed):
    """Would catch a short form wrong for one map, geometry, or order in memory only."""
    network = case.network()
    tape = record_forward(network, case.data())
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    error = normal(*tape.vector_error.shape)
    for segment in case.shapes.segments:
        linear_map, inputs = network.maps[segment.name], tape.inputs[segment.name]
        if not segment.reads_input:
            inputs = _in_order(inputs, components_slowest)
        credit = normal(*tape.outputs[segment.name][:, 0].shape)
        cotangent = _in_order(error.view(*error.shape, *[1] * (credit.dim() - 1)) * credit.unsqueeze(1), not seed % 2)
        weight_gradient, bias_gradient = linear_map.structured_gradients(inputs, credit, error)
        assert_near(weight_gradient, linear_map.weight_gradient(inputs, cotangent), what=segment.name)
        if linear_map.bias is None:
            assert bias_gradient is None
        else:
            assert_near(bias_gradient, linear_map.bias_gradient(cotangent), what=segment.name)
        assert_near(linear_map(inputs), linear_map(inputs.contiguous()))
        feedback = normal(*linear_map.weight.shape)
        if segment.reads_input:
            with pytest.raises(NotImplementedError):
                linear_map.pull_back_credit(credit, feedback, inputs.shape)
        else:
            pulled = linear_map.pull_back_credit(credit, feedback, inputs[:, 0].shape)
            dense = linear_map.pull_back(cotangent, feedback, inputs.shape)
            assert_near(error.view(*error.shape, *[1] * (pulled.dim() - 1)) * pulled.unsqueeze(1), dense)


@pytest.mark.parametrize("components_slowest", [True, False])
def test_a_shared_map_keeps_the_order_in_memory(components_slowest):
    """Would catch activations copied into the other order at every map: right numbers, and a pass over memory more."""
    network = MIXED.network()
    tape = record_forward(network, MIXED.data())
    for name in ("local2", "dense3"):
        outputs = network.maps[name](_in_order(tape.inputs[name], components_slowest))
        assert (outputs.stride(1) > outputs.stride(0)) == components_slowest, name


def _in_order(vectors, components_slowest):
    """Return the same numbers with the components the slowest axis in memory, or the batch."""
    if components_slowest:
        return vectors.transpose(0, 1).contiguous().transpose(0, 1)
    return vectors.contiguous()


@deterministic
@given(case=vector_cases, seed=st.integers(0, 1000))
def test_credit_with_components_is_autograds(case, seed):
    """Would catch unstructured credit, as of DFA in such a network, placed before the gate or in the wrong order."""
    network, batch = case.network(), case.data()
    tape = record_forward(network, batch)
    generator = torch.Generator().manual_seed(seed)
    credit = {n: torch.randn(o.shape, dtype=torch.float64, generator=generator) for n, o in tape.outputs.items()}
    tape.assign(credit)
    for name, segment in network.segments.items():
        outputs = segment(tape.inputs[name])
        expected = torch.autograd.grad(outputs, list(segment.parameters()), credit[name])
        _hold([p.grad for p in segment.parameters()], expected)


def test_the_readouts_credit_is_one_unless_it_is_named():
    """Would catch a rule that cannot replace the output error, or a readout credited twice."""
    network, batch = MIXED.network(), MIXED.data()
    gradients = []
    for factor in (None, 1.0, 0.5):
        network.zero_grad(set_to_none=True)
        tape = record_forward(network, batch)
        tape.assign({} if factor is None else {"readout": torch.full((3, 1), factor, dtype=torch.float64)})
        gradients.append(network.maps["readout"].weight.grad)
    assert_near(gradients[1], gradients[0])
    assert_near(gradients[2], 0.5 * gradients[0])


def test_credit_that_does_not_fit_is_refused_with_both_shapes():
    """Would catch credit broadcast over positions, or a name with a typing error passed over."""
    tape = record_forward(MIXED.network(), MIXED.data())
    with pytest.raises(ShapeError, match=r"credit for 'conv9': no such segment; there are conv1, local2, dense3"):
        tape.assign({"conv9": torch.ones(3, 6)})
    with pytest.raises(ShapeError, match=r"credit for 'dense3' has shape \(3, 5\), its units \(3, 6\)"):
        tape.assign({"dense3": torch.ones(3, 5)})


def test_a_frozen_parameter_gets_no_gradient():
    """Would catch a short form that fills .grad where requires_grad is off: an optimizer would move it."""
    network = MIXED.network()
    network.maps["conv1"].weight.requires_grad_(False)
    network.maps["dense3"].bias.requires_grad_(False)
    attached(GlobalErrorVectorBroadcasting(), network).assign_credit(MIXED.data())
    without = {name for name, p in network.named_parameters() if p.grad is None}
    assert without == {"nodes.conv1.map.weight", "nodes.dense3.map.bias"}


def test_gradients_add_up_over_two_batches():
    """Would catch .grad overwritten: gradients accumulate in torch, and for several tapes here too."""
    network, batch = MIXED.network(), MIXED.data()
    rule = attached(GlobalErrorVectorBroadcasting(), network)
    rule.assign_credit(batch)
    once = [g.clone() for g in _gradients(network)]
    rule.assign_credit(batch)
    _hold(_gradients(network), [2 * g for g in once])


def test_observers_see_credit_before_and_after_the_gate():
    """Would catch diagnostics of credit that has the derivative in it already."""
    network = MIXED.network()
    seen = {}
    network.credit_observer = lambda name, credit, at_map: seen.update({name: (credit, at_map)})
    tape = record_forward(network, MIXED.data())
    tape.assign(propagated_credit(tape, {}))
    assert set(seen) == {"conv1", "local2", "dense3", "readout"}
    for name, (credit, at_map) in seen.items():
        gate = tape.gates[name]
        assert_near(at_map, credit if gate is None else credit * gate)


# --- memory -----------------------------------------------------------------------------------------------------------


class _Largest(TorchDispatchMode):
    """Remembers how many numbers the largest storage behind any result holds."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self.numbers = max(self.numbers, leaf.untyped_storage().nbytes() // leaf.element_size())
        return result


@contextmanager
def _largest():
    with _Largest() as mode:
        yield mode


@pytest.mark.parametrize("rule_type", [GlobalErrorVectorBroadcasting, Backprop])
@pytest.mark.parametrize(
    ("layer", "input_shape"),
    [
        ({"kind": "dense", "units": 4}, (60,)),
        ({**CONV, "channels": 2, "kernel": 1, "padding": 0, "stride": 2}, (5, 6, 6)),
    ],
    ids=["dense", "conv"],
)
def test_the_expanded_input_is_never_made(rule_type, layer, input_shape):
    """Would catch the data written out K times: ten times the memory of a batch, and as much work on zeros."""
    case = VectorCase((layer,), input_shape, classes=7, batch=16)
    network, batch = case.network(), case.data()
    rule = attached(rule_type(), network)
    with _largest() as largest:
        rule.assign_credit(batch)
    expanded = batch.inputs.numel() * case.shapes.components
    assert batch.inputs.numel() <= largest.numbers < expanded / 2
