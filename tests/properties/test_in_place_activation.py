"""Oracle: the NumPy reference, which never works in place.

Silent failure caught: an in-place nonlinearity that overwrites what a gradient still needs. Torch notices most such
cases, but not those in which the overwritten tensor was never saved by autograd.
"""

import numpy as np
import pytest
import torch

from benchsuite.credit import record_forward
from benchsuite.diagnostics.observe import observed_credit
from benchsuite.networks import nonlinearity
from benchsuite.specs.models.activation import SlopedActivation
from benchsuite_rules.backprop import Backprop
from benchsuite_rules.direct_feedback_alignment import DirectFeedbackAlignment
from benchsuite_rules.feedback_alignment import FeedbackAlignment

from .chains import as_array, assert_gradients, assert_near, attached, conv_case, dense_case, gradients_of, trace_of
from .reference import NONLINEARITIES, gradients_along_chain, gradients_from_credit

IN_PLACE = ("relu", "leaky_relu", "saturated_linear", "hard_sigmoid")
NORMS = {
    "none": {},
    "norm_first": {"norm": "batch"},
    "activation_first": {"norm": "batch", "norm_order": "activation_first"},
}


def _cases():
    for activation in IN_PLACE:
        for norm, options in NORMS.items():
            own = {"activation": activation, **options}
            yield pytest.param(dense_case(9, 8, 7, **own), id=f"dense-{activation}-{norm}")
            layers = (
                {"kind": "conv2d", "channels": 4, "kernel": 3, **own},
                {"kind": "max_pool", "size": 2},
                {"kind": "conv2d", "channels": 6, "kernel": 2, "groups": 2, **own},
                {"kind": "average_pool", "size": 2, "stride": 1},
                {"kind": "dense", "units": 5, **own},
            )
            yield pytest.param(conv_case(*layers), id=f"conv-{activation}-{norm}")


def _expected(case, network, rule):
    trace, error = trace_of(case, network)
    if isinstance(rule, DirectFeedbackAlignment):
        matrix = as_array(rule.feedback_weight)
        credit = {n: error @ matrix[:, : y[0].size] for n, y in trace.outputs.items() if n != "readout"}
        return gradients_from_credit(trace, {**credit, "readout": error})
    feedback = {name: as_array(weight) for name, weight in rule.feedback.by_segment.items()}
    return gradients_along_chain(trace, error, feedback)


@pytest.mark.parametrize("rule_type", [Backprop, FeedbackAlignment, DirectFeedbackAlignment])
@pytest.mark.parametrize("case", list(_cases()))
def test_working_in_place_spoils_no_gradient_and_no_hook(case, rule_type):
    """Would catch a spoilt norm, pool or map, and a hook on a map's output that is shown another gradient."""
    network = case.network()
    rule = attached(rule_type(), network)
    expected = _expected(case, network, rule)
    with observed_credit(network, "pre_activation") as seen:
        rule.assign_credit(case.data())
    assert_gradients(gradients_of(network), expected, case.dtype)
    assert set(seen) == set(network.segments)
    for name, gradient in seen.items():
        assert_near(gradient, expected[name].pre_activation, case.dtype, f"hook on {name}")


@pytest.mark.parametrize("norm", sorted(NORMS))
def test_working_in_place_changes_neither_data_nor_kept_outputs(norm):
    """Would catch a nonlinearity that reaches back into the batch or into the credit point of the segment below."""
    case = dense_case(9, 8, activation="identity", **NORMS[norm])
    case = type(case)(**{**case.__dict__, "layers": (case.layers[0], {**case.layers[1], "activation": "relu"})})
    network = case.network()
    batch = case.data()
    kept = batch.inputs.clone()
    trace, _ = trace_of(case, network)
    tape = record_forward(network, batch)
    assert torch.equal(batch.inputs, kept)
    for name, output in tape.outputs.items():
        assert_near(output, trace.outputs[name], case.dtype, name)


@pytest.mark.parametrize("activation", sorted(nonlinearity.NONLINEARITIES))
def test_every_nonlinearity_and_its_slope_are_the_written_ones(activation):
    """Would catch a leak of another slope, GELU's tanh approximation under the exact one's name, a gate of odd channels
    in even ones."""
    h = np.random.default_rng(0).normal(0, 3, (50, 10))
    function, derivative = NONLINEARITIES[activation]
    found = nonlinearity.NONLINEARITIES[activation]
    for apply in (found.apply, found.apply_in_place):
        leaf = torch.from_numpy(h.copy()).requires_grad_()
        y = apply(leaf * 1)
        y.sum().backward()
        assert_near(y, function(h))
        assert_near(leaf.grad, derivative(h))
    if found.pull_back is not None:
        assert_near(found.pull_back(torch.full_like(y, 3.0), y.detach()), 3 * derivative(h))


@pytest.mark.parametrize("slope", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("kind", sorted(nonlinearity.SLOPED))
def test_a_slope_of_ones_own_is_in_the_function_and_its_derivative(kind, slope):
    """Would catch the derivative left at the default slope: the effective rate would be off by it at every layer."""
    h = np.random.default_rng(1).normal(0, 3, 500)
    expected, derivative = {
        "leaky_relu": (np.where(h > 0, h, slope * h), np.where(h > 0, 1.0, slope)),
        "saturated_linear": (np.clip(slope * h, -1, 1), np.where(np.abs(slope * h) < 1, slope, 0.0)),
    }[kind]
    found = nonlinearity.nonlinearity_of(SlopedActivation(kind=kind, slope=slope))
    for apply in (found.apply, found.apply_in_place):
        leaf = torch.from_numpy(h.copy()).requires_grad_()
        y = apply(leaf * 1)
        y.sum().backward()
        assert_near(y, expected)
        assert_near(leaf.grad, derivative)
    assert_near(found.pull_back(torch.full_like(y, 3.0), y.detach()), 3 * derivative)


@pytest.mark.parametrize("slope", [0.5, 1.0])
def test_a_saturated_unit_passes_no_credit_on_its_bounds_nor_beyond(slope):
    """Would catch the two mechanisms parting at the bound: one sees the input there, the other only the output."""
    found = nonlinearity.saturated_linear(slope)
    h = torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0], dtype=torch.float64) / slope
    leaf = h.clone().requires_grad_()
    y = found.apply_in_place(leaf * 1)
    y.sum().backward()
    expected = np.array([0, 0, slope, 0, 0])
    assert_near(leaf.grad, expected)
    assert_near(found.pull_back(torch.ones_like(h), y.detach()), expected)


def test_nonlinearity_at_zero_passes_no_credit():
    """Would catch a subgradient of one at zero: dead and zero-initialised units would learn under one rule only."""
    leaf = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    relu = nonlinearity.NONLINEARITIES["relu"]
    relu.apply_in_place(leaf * 1).sum().backward()
    assert not leaf.grad.any()
    assert not relu.pull_back(torch.ones(3), torch.zeros(3)).any()
