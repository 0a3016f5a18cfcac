"""Oracles: the NumPy reference's backprop and feedback alignment, and the identity FA(B = W) = backprop.

First mechanism: cotangents travel back through autograd, each map pulling them through its feedback weight.
"""

import numpy as np
import pytest
import torch
from hypothesis import given

from benchsuite.conformance.samples import SAMPLE_NETWORKS, Trial
from benchsuite.credit.feedback import ReplacedFeedbackRule
from benchsuite.errors import ShapeError
from benchsuite.registry.manager import installed_registry
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.feedback_alignment import FeedbackAlignment

from ..applicable import possible_pairs
from .chains import (
    as_array,
    assert_gradients,
    assert_near,
    attached,
    conv_case,
    conv_chains,
    counterpart,
    dense_case,
    dense_chains,
    descend,
    deterministic,
    gradients_of,
    gradients_under,
    trace_of,
)
from .reference import gradients_along_chain


def _feedback(rule):
    return rule.feedback.by_segment


def _copy_weights(rule, network):
    with torch.no_grad():
        for name, feedback_weight in _feedback(rule).items():
            feedback_weight.copy_(network.maps[name].weight)


def _hold_backprop(case):
    network = case.network()
    found = gradients_under(attached(Backprop(), network), case, network)
    trace, error = trace_of(case, network)
    assert_gradients(found, gradients_along_chain(trace, error), case.dtype)


@deterministic
@given(case=dense_chains())
def test_backprop_is_the_hand_written_gradient_in_dense_chains(case):
    """Would catch a yardstick that is not the gradient: everything in every table is measured against it."""
    _hold_backprop(case)


@deterministic
@given(case=dense_chains(norms=True))
def test_backprop_is_the_hand_written_gradient_through_norms(case):
    """Would catch a norm in the wrong place or an in-place nonlinearity that spoils what the norm has kept."""
    _hold_backprop(case)


@deterministic
@given(case=conv_chains())
def test_backprop_is_the_hand_written_gradient_in_conv_chains(case):
    """Would catch a wrong flatten order, stride, dilation, group or pool."""
    _hold_backprop(case)


def _hold_feedback_alignment(case):
    network = case.network()
    rule = attached(FeedbackAlignment(), network)
    assert set(_feedback(rule)) == set(network.credit_senders)
    found = gradients_under(rule, case, network)
    trace, error = trace_of(case, network)
    feedback = {name: as_array(weight) for name, weight in _feedback(rule).items()}
    assert_gradients(found, gradients_along_chain(trace, error, feedback), case.dtype)


@deterministic
@given(case=dense_chains())
def test_feedback_alignment_is_the_hand_written_one_in_dense_chains(case):
    """Would catch B used transposed, B of the neighbouring layer, or W still on the way back."""
    _hold_feedback_alignment(case)


@deterministic
@given(case=dense_chains(norms=True))
def test_feedback_alignment_is_the_hand_written_one_through_norms(case):
    """Would catch a norm that the cotangent skips: it passes exactly whatever the rule."""
    _hold_feedback_alignment(case)


@deterministic
@given(case=conv_chains())
def test_feedback_alignment_is_the_hand_written_one_in_conv_chains(case):
    """Would catch a transposed convolution of wrong size, group order or kernel orientation."""
    _hold_feedback_alignment(case)


def _hold_backprop_identity(case):
    ours, theirs = case.network(), case.network()
    alignment, backprop = attached(FeedbackAlignment(), ours), attached(Backprop(), theirs)
    for _ in range(2):
        _copy_weights(alignment, ours)
        found, expected = gradients_under(alignment, case, ours), gradients_under(backprop, case, theirs)
        for path, value in expected.items():
            assert_near(found[path], value, case.dtype, path)
        descend(ours, 0.05)
        descend(theirs, 0.05)


@deterministic
@given(case=dense_chains())
def test_feedback_alignment_with_the_forward_weights_is_backprop_in_dense_chains(case):
    """Would catch a feedback path that loses a factor, a bias gradient or a layer, step after step."""
    _hold_backprop_identity(case)


@deterministic
@given(case=dense_chains(norms=True))
def test_feedback_alignment_with_the_forward_weights_is_backprop_through_norms(case):
    """Would catch a norm whose own gradients are lost once feedback is replaced."""
    _hold_backprop_identity(case)


@deterministic
@given(case=conv_chains())
def test_feedback_alignment_with_the_forward_weights_is_backprop_in_conv_chains(case):
    """Would catch strides, groups, dilation, pools or norms that the replaced path treats otherwise than autograd."""
    _hold_backprop_identity(case)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "dilation", "groups"),
    [
        (8, 3, 2, 0, 1, 1),
        (8, 3, 3, 0, 1, 1),
        (9, 2, 3, 0, 1, 1),
        (8, 3, 2, 1, 2, 1),
        (7, 3, 4, 2, 1, 2),
        (8, 1, 3, 0, 1, 2),
        (5, 2, 2, 2, 2, 1),
    ],
)
def test_inputs_that_a_stride_leaves_over_get_zero_credit(size, kernel, stride, padding, dilation, groups):
    """Would catch a transposed convolution that comes out too small or shifted where the stride does not divide."""
    first = {"kind": "conv2d", "channels": 4, "kernel": 1, "activation": "tanh"}
    second = {
        "kind": "conv2d",
        "channels": 6,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "activation": "tanh",
    }
    case = conv_case(first, second, input_shape=(2, size, size + 1))
    _hold_feedback_alignment(case)
    _hold_backprop_identity(case)


def test_feedback_weights_are_independent_of_the_forward_weights_and_never_move():
    """Would catch feedback that is a view of W, is drawn from the weights' stream, or is trained along."""
    case = dense_case(30, 30, inputs=30)
    network = case.network()
    rule = attached(FeedbackAlignment(), network)
    before = {name: as_array(weight) for name, weight in _feedback(rule).items()}
    for _ in range(3):
        gradients_under(rule, case, network)
        descend(network, 0.5)
        rule.after_update()
    for name, weight in _feedback(rule).items():
        np.testing.assert_array_equal(as_array(weight), before[name])
        correlation = np.corrcoef(before[name].ravel(), as_array(network.maps[name].weight).ravel())[0, 1]
        assert abs(correlation) < 0.3
    assert not list(rule.parameters())
    assert {f"feedback.{name}" for name in before} <= set(rule.state_dict())


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("given_sd", [None, 0.03])
def test_feedback_weights_have_the_stated_spread(distribution, given_sd):
    """Would catch a half-width passed as a standard deviation, or fan-in without fan-out."""
    case = dense_case(300, 200, inputs=5, classes=100)
    network = case.network()
    config = FeedbackAlignment.Config(distribution=distribution, standard_deviation=given_sd)
    rule = attached(FeedbackAlignment(config), network)
    for name, (units, inputs) in {"dense2": (200, 300), "readout": (100, 200)}.items():
        weight = as_array(_feedback(rule)[name])
        assert weight.shape == (units, inputs)
        sd = given_sd or np.sqrt(2 / (inputs + units))
        assert weight.std() == pytest.approx(sd, rel=0.03)
        assert abs(weight.mean()) < 0.05 * sd
        if distribution == "uniform":
            assert np.abs(weight).max() <= np.sqrt(3) * sd * (1 + 1e-6)
        else:
            assert np.abs(weight).max() > 3 * sd


def test_same_feedback_seed_draws_the_same_feedback_and_another_seed_another():
    """Would catch feedback from the global stream: paired seeds would pair nothing."""
    case = dense_case(9, 8)
    draws = []
    for seed in (5, 5, 6):
        torch.rand(3)
        draws.append(_feedback(attached(FeedbackAlignment(), case.network(), seed)))
    for name in draws[0]:
        assert torch.equal(draws[0][name], draws[1][name])
        assert not torch.equal(draws[0][name], draws[2][name])


def test_a_step_leaves_no_feedback_behind_in_the_network():
    """Would catch a diagnostic that asks for backprop's gradient after a step and gets feedback alignment's."""
    case = dense_case(6, 5)
    network = case.network()
    gradients_under(attached(FeedbackAlignment(), network), case, network)
    assert all(linear_map.feedback_weight is None for linear_map in network.maps.values())
    network.zero_grad(set_to_none=True)
    batch = case.data()
    batch.criterion(network(batch.inputs), batch.targets).backward()
    trace, error = trace_of(case, network)
    assert_gradients(gradients_of(network), gradients_along_chain(trace, error), case.dtype)


READOUT_CASES = {
    "dense": dense_case(12, 10, activation="tanh"),
    "conv": conv_case(
        {"kind": "conv2d", "channels": 4, "kernel": 3, "stride": 2, "norm": "batch"},
        {"kind": "max_pool", "size": 2},
        {"kind": "dense", "units": 6},
    ),
}


EXACT_READOUTS = [
    (name, kind)
    for name, kind in possible_pairs({kind: case.shapes() for kind, case in READOUT_CASES.items()})
    if installed_registry().rule(name).traits.readout_update_is_backprop
]


@pytest.mark.parametrize(("name", "kind"), EXACT_READOUTS)
def test_every_rule_gives_the_readout_the_exact_gradient(name, kind):
    """Would catch a rule whose readout learns from something else, which no accuracy table would show."""
    rule, case = installed_registry().rule(name)(), READOUT_CASES[kind]
    network = case.network()
    trace, error = trace_of(case, network)
    expected = {"readout": gradients_along_chain(trace, error)["readout"]}
    found = gradients_under(attached(rule, network), case, network)
    assert_gradients({p: v for p, v in found.items() if p.startswith("readout.")}, expected, case.dtype)


def test_the_built_in_rules_are_registered():
    """Would catch the test above running over an empty list."""
    expected = {"backprop", "feedback_alignment", "direct_feedback_alignment", "readout_only"}
    assert expected <= {name for name, _ in EXACT_READOUTS}


@pytest.mark.parametrize("rule_name", ["backprop", "feedback_alignment", "direct_feedback_alignment", "readout_only"])
def test_reported_loss_and_logits_are_the_forward_pass(rule_name):
    """Would catch a loss summed instead of meaned, or logits of another batch."""
    case = dense_case(8, 6)
    network = case.network()
    rule = attached(installed_registry().rule(rule_name)(), network)
    batch = case.data()
    result = rule.assign_credit(batch)
    trace, _ = trace_of(case, network)
    assert_near(result.logits, trace.logits)
    shifted = trace.logits - trace.logits.max(1, keepdims=True)
    picked = shifted[np.arange(case.batch), batch.targets.numpy()]
    assert_near(result.loss, np.array((np.log(np.exp(shifted).sum(1)) - picked).mean()))
    assert not result.loss.requires_grad
    assert not result.logits.requires_grad


def test_readout_only_leaves_hidden_parameters_without_a_gradient():
    """Would catch zeros in place of None: weight decay and momentum would still move what must stay."""
    case = dense_case(8, 6, norm="batch")
    network = case.network()
    found = gradients_under(attached(installed_registry().rule("readout_only")(), network), case, network)
    assert {path for path, value in found.items() if value is not None} == {"readout.map.weight", "readout.map.bias"}


@pytest.mark.parametrize("criterion", ["cross_entropy", "squared_error"])
@pytest.mark.parametrize("rule_type", [Backprop, FeedbackAlignment])
def test_either_criterion_drives_the_feedback_path(criterion, rule_type):
    """Would catch an error of one loss hard-wired into the path."""
    case = dense_case(8, 6, activation="gelu")
    network = case.network()
    rule = attached(rule_type(), network)
    trace, error = trace_of(case, network, criterion)
    feedback = {name: as_array(weight) for name, weight in _feedback(rule).items()}
    found = gradients_under(rule, case, network, criterion)
    assert_gradients(found, gradients_along_chain(trace, error, feedback), case.dtype)


def test_the_reference_sees_every_layer_of_the_network():
    """Would catch a reference that is compared on fewer layers than the network has."""
    case = READOUT_CASES["conv"]
    network = case.network()
    assert [layer.name for layer in counterpart(case, network) if hasattr(layer, "name")] == list(network.segments)


def _drawing(draw):
    class Drawn(ReplacedFeedbackRule):
        name = "drawn"
        traits = FeedbackAlignment.traits

        def draw_feedback(self, linear_map, generator):
            return draw(linear_map.weight)

    return Drawn()


@pytest.mark.parametrize(
    "draw",
    [lambda weight: weight * weight.abs(), lambda weight: weight],
    ids=["made of the weight", "the weight itself"],
)
def test_feedback_made_of_a_forward_weight_stays_as_it_was_drawn(draw):
    """Catches a graph that fails in the second step, and feedback that the optimizer moves along with the weight."""
    sample = next(s for s in SAMPLE_NETWORKS if len(s.shapes.segments) > 2)
    trial = Trial.start(_drawing(draw), sample)
    drawn = {name: draw(trial.network.maps[name].weight.detach().clone()) for name in _feedback(trial.rule)}
    for step in range(2):
        trial.step(sample.batch(step))
    assert drawn
    for name, weight in _feedback(trial.rule).items():
        assert torch.equal(weight, drawn[name])
        assert not torch.equal(trial.network.maps[name].weight, drawn[name])


def test_feedback_of_another_shape_is_refused_with_the_segment():
    """Catches torch's message about a product of matrices, from deep within the backward pass of the first step."""
    sample = next(s for s in SAMPLE_NETWORKS if len(s.shapes.segments) > 2)
    with pytest.raises(ShapeError, match=r"rule 'drawn': draw_feedback returned shape .* for segment '\w+', expected"):
        Trial.start(_drawing(lambda weight: weight[1:]), sample)
